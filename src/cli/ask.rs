//! The questions that `dsk recommend` asks on a terminal.

use anyhow::Result;
use dialoguer::theme::SimpleTheme;
use dialoguer::{Input, Select};

use super::machine::{self, THIS};
use super::quantity;
use crate::catalog::Catalog;
use crate::deploy::quoted;
use crate::request::HardwareAsked;

/// What was answered.
pub(super) struct Answers {
    /// The hardware.
    pub(super) hardware: HardwareAsked,
    /// The scenario's id.
    pub(super) scenario: Option<String>,
    /// Tokens of context.
    pub(super) context: Option<u64>,
    /// The longest latency, where speed matters most.
    pub(super) max_latency_ms: Option<u64>,
    /// The lowest accuracy, where quality matters most.
    pub(super) min_accuracy: Option<f64>,
    /// The flags that say the same.
    flags: Vec<String>,
}

impl Answers {
    /// The command that gives the same answer again.
    pub(super) fn command(&self) -> String {
        format!("dsk recommend {}", self.flags.join(" "))
            .trim_end()
            .to_owned()
    }
}

/// Asks for hardware, scenario, context and what matters most; none when the user gave up.
pub(super) fn ask(catalog: &Catalog) -> Result<Option<Answers>> {
    let mut answers = Answers {
        hardware: HardwareAsked::default(),
        scenario: None,
        context: None,
        max_latency_ms: None,
        min_accuracy: None,
        flags: Vec::new(),
    };
    let asked = ask_hardware(catalog, &mut answers)
        .and_then(|()| ask_scenario(catalog, &mut answers))
        .and_then(|()| ask_context(&mut answers))
        .and_then(|()| ask_priority(catalog, &mut answers));
    match asked {
        Ok(()) => Ok(Some(answers)),
        Err(error) if error.downcast_ref::<dialoguer::Error>().is_some() => Ok(None),
        Err(error) => Err(error),
    }
}

fn ask_hardware(catalog: &Catalog, answers: &mut Answers) -> Result<()> {
    let this = HardwareAsked {
        gpu: Some(THIS.to_owned()),
        ..HardwareAsked::default()
    };
    let machine = machine::hardware(catalog, &this).ok().flatten();
    let found = machine.map_or(String::new(), |found| format!(" ({})", found.summary()));
    let text: String = Input::with_theme(&SimpleTheme)
        .with_prompt(format!(
            "Hardware: this machine{found}, a card (rtx-3060), or GB (12)"
        ))
        .default(THIS.to_owned())
        .validate_with(|text: &String| hardware_of(catalog, text).map(|_| ()))
        .interact_text()?;
    answers.hardware = hardware_of(catalog, &text).map_err(anyhow::Error::msg)?;
    if let Some(size) = answers.hardware.vram_gb {
        answers.flags.push(format!("--vram {size}"));
    } else if let Some(name) = &answers.hardware.gpu {
        answers.flags.push(format!("--gpu {}", quoted(name)));
    }
    Ok(())
}

/// The hardware that a word means.
fn hardware_of(catalog: &Catalog, text: &str) -> Result<HardwareAsked, String> {
    let text = text.trim();
    if text.is_empty() || text.eq_ignore_ascii_case(THIS) {
        return Ok(HardwareAsked {
            gpu: Some(THIS.to_owned()),
            ..HardwareAsked::default()
        });
    }
    if let Ok(size) = quantity::gigabytes(text) {
        return Ok(HardwareAsked {
            vram_gb: Some(size),
            ..HardwareAsked::default()
        });
    }
    let asked = HardwareAsked {
        gpu: Some(text.to_owned()),
        ..HardwareAsked::default()
    };
    asked
        .resolve(catalog)
        .map(|_| asked)
        .map_err(|error| error.to_string())
}

fn ask_scenario(catalog: &Catalog, answers: &mut Answers) -> Result<()> {
    let scenarios = catalog.scenarios()?;
    let mut items: Vec<String> = scenarios
        .iter()
        .map(|scenario| format!("{} ({})", scenario.id, scenario.uses.join(", ")))
        .collect();
    items.push("none of these".to_owned());
    let chosen = Select::with_theme(&SimpleTheme)
        .with_prompt("Which use?")
        .items(&items)
        .default(0)
        .interact()?;
    if let Some(scenario) = scenarios.get(chosen) {
        answers.flags.push(format!("--scenario {}", scenario.id));
        answers.context = Some(scenario.context_tokens);
        answers.scenario = Some(scenario.id.clone());
    }
    Ok(())
}

fn ask_context(answers: &mut Answers) -> Result<()> {
    let default = answers.context.unwrap_or(4096);
    let text: String = Input::with_theme(&SimpleTheme)
        .with_prompt("How long a context, in tokens?")
        .default(default.to_string())
        .validate_with(|text: &String| quantity::tokens(text).map(|_| ()))
        .interact_text()?;
    let context = quantity::tokens(&text).map_err(anyhow::Error::msg)?;
    answers.context = Some(context);
    answers.flags.push(format!("--context {context}"));
    Ok(())
}

fn ask_priority(catalog: &Catalog, answers: &mut Answers) -> Result<()> {
    let tiers = &catalog.defaults()?.tiers;
    let chosen = Select::with_theme(&SimpleTheme)
        .with_prompt("What matters most?")
        .items(["a good answer", "a fast answer", "nothing in particular"])
        .default(2)
        .interact()?;
    if chosen == 0 {
        let least = tiers.get(1).map(|tier| (tier.accuracy - 3.0).floor());
        answers
            .flags
            .extend(least.map(|least| format!("--min-accuracy {least}")));
        answers.min_accuracy = least;
    } else if chosen == 1 {
        let longest = tiers.get(1).map(|tier| tier.latency_ms);
        answers
            .flags
            .extend(longest.map(|longest| format!("--max-latency {longest}ms")));
        answers.max_latency_ms = longest;
    }
    Ok(())
}
