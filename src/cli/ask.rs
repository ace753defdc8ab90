//! The questions that `dsk recommend` asks on a terminal.

use anyhow::Result;
use dialoguer::theme::SimpleTheme;
use dialoguer::{Input, Select};

use super::machine::{self, THIS};
use super::quantity;
use crate::calc::hardware::Device;
use crate::catalog::Catalog;
use crate::catalog::gpu::GpuKind;
use crate::deploy::quoted;
use crate::request::{HardwareAsked, engine_for};

/// What was answered.
pub(super) struct Answers {
    /// The hardware.
    pub(super) hardware: HardwareAsked,
    /// The scenario's id.
    pub(super) scenario: Option<String>,
    /// Tokens of context.
    pub(super) context: Option<u64>,
    /// The longest latency of a tier, where speed matters most and is not known.
    pub(super) max_latency_ms: Option<u64>,
    /// Seconds to the first token at most, where the wait matters most.
    pub(super) max_ttft: Option<f64>,
    /// Seconds per output token at most, where speed matters most.
    pub(super) max_tpot: Option<f64>,
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
        max_ttft: None,
        max_tpot: None,
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

/// What is asked for last.
#[derive(Debug, Clone, Copy)]
enum Priority {
    Accuracy,
    Wait,
    Pace,
    Tier,
    Nothing,
}

fn ask_priority(catalog: &Catalog, answers: &mut Answers) -> Result<()> {
    let mut choices = vec![("a good answer", Priority::Accuracy)];
    if speed_is_known(catalog, &answers.hardware) {
        choices.push((
            "low latency: a short wait for the first word",
            Priority::Wait,
        ));
        choices.push(("low latency: words that come quickly", Priority::Pace));
    } else {
        choices.push(("low latency, by the article's tiers", Priority::Tier));
    }
    choices.push(("nothing in particular", Priority::Nothing));
    let items: Vec<&str> = choices.iter().map(|(words, _)| *words).collect();
    let chosen = Select::with_theme(&SimpleTheme)
        .with_prompt("What matters most?")
        .items(&items)
        .default(items.len() - 1)
        .interact()?;
    let priority = choices
        .get(chosen)
        .map_or(Priority::Nothing, |(_, priority)| *priority);
    demand(catalog, priority, answers)
}

/// Turns what matters most into a demand and its flag.
fn demand(catalog: &Catalog, priority: Priority, answers: &mut Answers) -> Result<()> {
    let defaults = catalog.defaults()?;
    let (tier, interactive) = (defaults.tiers.get(1), &defaults.interactive);
    let seconds = |milliseconds: u64| crate::units::float(milliseconds) / 1e3;
    let flag = match priority {
        Priority::Accuracy => {
            answers.min_accuracy = tier.map(|tier| (tier.accuracy - 3.0).floor());
            answers
                .min_accuracy
                .map(|least| format!("--min-accuracy {least}"))
        }
        Priority::Wait => {
            answers.max_ttft = Some(seconds(interactive.first_token_ms));
            Some(format!("--max-ttft {}ms", interactive.first_token_ms))
        }
        Priority::Pace => {
            answers.max_tpot = Some(seconds(interactive.output_token_ms));
            Some(format!("--max-tpot {}ms", interactive.output_token_ms))
        }
        Priority::Tier => {
            answers.max_latency_ms = tier.map(|tier| tier.latency_ms);
            answers
                .max_latency_ms
                .map(|longest| format!("--max-latency {longest}ms"))
        }
        Priority::Nothing => None,
    };
    answers.flags.extend(flag);
    Ok(())
}

/// Whether the speed of the engine that suits the hardware was measured on devices like it.
fn speed_is_known(catalog: &Catalog, asked: &HardwareAsked) -> bool {
    let Ok(Some(hardware)) = machine::hardware(catalog, asked) else {
        return false;
    };
    let Ok(engine) = engine_for(catalog, &hardware, None) else {
        return false;
    };
    let measured = |device: &Device| {
        let vendors = engine.speed.as_ref().map(|speed| &speed.vendors);
        device.gpu.is_some()
            && device.kind != GpuKind::Cpu
            && vendors.is_some_and(|vendors| vendors.contains(&device.vendor()))
    };
    hardware.devices.iter().all(measured)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> HardwareAsked {
        HardwareAsked {
            gpu: Some(name.to_owned()),
            ..HardwareAsked::default()
        }
    }

    #[test]
    fn latency_is_asked_for_in_time_where_it_is_known() {
        let catalog = Catalog::load(&[]).expect("the catalog");
        assert!(speed_is_known(&catalog, &named("rtx-4090")));
        assert!(!speed_is_known(&catalog, &named("cpu")));
        let bare = HardwareAsked {
            vram_gb: Some(12.0),
            ..HardwareAsked::default()
        };
        assert!(!speed_is_known(&catalog, &bare));
    }

    #[test]
    fn the_flags_say_what_was_answered() {
        let catalog = Catalog::load(&[]).expect("the catalog");
        let mut answers = Answers {
            hardware: named("rtx-4090"),
            scenario: None,
            context: None,
            max_latency_ms: None,
            max_ttft: None,
            max_tpot: None,
            min_accuracy: None,
            flags: vec!["--gpu rtx-4090".to_owned()],
        };
        demand(&catalog, Priority::Pace, &mut answers).expect("a demand");
        assert_eq!(answers.max_tpot, quantity::seconds("40ms").ok());
        assert_eq!(
            answers.command(),
            "dsk recommend --gpu rtx-4090 --max-tpot 40ms"
        );
    }
}
