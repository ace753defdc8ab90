//! Ollama: a Modelfile, and the server's variables that its memory depends on.

use super::launch::Launch;
use super::llama_cpp::{Gguf, gguf};
use super::question::{Deployment, File, Question};
use super::script::{check_nodes, footing, heading};
use super::text::comment;
use super::verify::{bracketed, served};
use super::words::{Command, quoted};
use crate::catalog::KvFormat;
use crate::error::{Error, Result};
use crate::request::no_such_cache;

/// Starts the server, makes the model and talks to it, as one line of a POSIX shell.
///
/// A server that runs already keeps its own variables, and the model's settings are the Modelfile's.
pub(super) fn command(launch: &Launch<'_>) -> Result<String> {
    let gguf = gguf(launch);
    let mut lines: Vec<String> = match &gguf {
        Gguf::File(_) | Gguf::Published(_) => Vec::new(),
        Gguf::Made(made) => made.steps().iter().map(Command::line).collect(),
    };
    let name = tag(&launch.model.id);
    lines.extend([
        format!("({} &)", server(launch)?.line()),
        "until ollama list >/dev/null 2>&1; do sleep 1; done".to_owned(),
        created(launch, &from(&gguf), &name)?,
        format!("ollama run {}", quoted(&name)),
    ]);
    Ok(lines.join(" && "))
}

/// What keeps the file `path` in a server that runs, under `name`.
///
/// # Errors
/// When a Modelfile cannot name it.
pub(crate) fn create(launch: &Launch<'_>, path: &str, name: &str) -> Result<String> {
    created(launch, &local(path), &tag(name))
}

fn created(launch: &Launch<'_>, from: &str, name: &str) -> Result<String> {
    let lines: Vec<String> = instructions(launch, from)?
        .iter()
        .map(|line| quoted(line))
        .collect();
    Ok(format!(
        "printf '%s\\n' {} > Modelfile && ollama create {} -f Modelfile",
        lines.join(" "),
        quoted(name)
    ))
}

/// What a Modelfile names as its weights.
fn from(gguf: &Gguf<'_>) -> String {
    match gguf {
        Gguf::File(path) => local(path),
        Gguf::Published(name) => format!("hf.co/{name}"),
        Gguf::Made(made) => local(&made.result()),
    }
}

/// The instructions of the Modelfile, a line each.
fn instructions(launch: &Launch<'_>, from: &str) -> Result<Vec<String>> {
    let mut lines = vec![format!("FROM {}", value(from)?)];
    let parameters = parameters(launch).into_iter();
    lines.extend(parameters.map(|(name, number)| format!("PARAMETER {name} {number}")));
    Ok(lines)
}

/// The Modelfile.
pub(super) fn deploy(question: &Question<'_>) -> Result<Deployment> {
    let launch = question.launch()?;
    let (known, version) = launch.known()?;
    check_nodes(&launch, launch.nodes())?;
    let notes = super::notes::notes(question, &launch, known);
    let verify = served(&launch, question.estimate);
    let mut text = heading(question, &launch, &notes);
    let gguf = gguf(&launch);
    if let Gguf::Made(made) = &gguf {
        text.push_str("#\n# First make the file:\n");
        for step in made.steps() {
            text.push_str(&comment(&format!(
                "  {}",
                super::text::one_line(&step.words())
            )));
        }
    }
    text.push_str("#\n# The server (not this file) decides these, so start it with them:\n");
    text.push_str(&comment(&format!("  {}", server(&launch)?.line())));
    text.push_str("# then make the model and run it:\n");
    let name = tag(launch
        .service
        .map_or(launch.model.id.as_str(), |service| service.name));
    let name = quoted(&name);
    text.push_str(&comment(&format!(
        "  ollama create {name} -f Modelfile && ollama run {name}"
    )));
    text.push('\n');
    for line in instructions(&launch, &from(&gguf))? {
        text.push_str(&line);
        text.push('\n');
    }
    text.push_str(&footing(&verify));
    Ok(Deployment {
        version: version.to_string(),
        files: vec![File {
            name: "Modelfile".to_owned(),
            media_type: "text/x-modelfile",
            text,
        }],
        verify,
        notes,
    })
}

/// The server with the variables that the plan needs.
pub(super) fn server(launch: &Launch<'_>) -> Result<Command> {
    let mut environment = vec![(
        "OLLAMA_NUM_PARALLEL".to_owned(),
        launch.sequences.to_string(),
    )];
    let mut set = |name: &str, value: &str| environment.push((name.to_owned(), value.to_owned()));
    let flash = launch.options.flash_attention.unwrap_or(true);
    set("OLLAMA_FLASH_ATTENTION", if flash { "1" } else { "0" });
    match launch.kv {
        KvFormat::F16 => set("OLLAMA_KV_CACHE_TYPE", "f16"),
        KvFormat::Q8_0 => set("OLLAMA_KV_CACHE_TYPE", "q8_0"),
        KvFormat::Q4_0 => set("OLLAMA_KV_CACHE_TYPE", "q4_0"),
        KvFormat::F32
        | KvFormat::Fp8
        | KvFormat::Fp8IndexFp4
        | KvFormat::Fp8DsMla
        | KvFormat::Nvfp4DsMla
        | KvFormat::Q5_1
        | KvFormat::Q5_0
        | KvFormat::Q4_1
        | KvFormat::Iq4Nl => {
            return Err(no_such_cache(launch.engine, launch.kv));
        }
    }
    if launch.split.devices() > 1 {
        set("OLLAMA_SCHED_SPREAD", "1");
    }
    if let Some(service) = &launch.service {
        set(
            "OLLAMA_HOST",
            &format!("{}:{}", bracketed(service.host), service.port),
        );
    }
    Ok(Command {
        environment,
        program: vec!["ollama".to_owned(), "serve".to_owned()],
        arguments: Vec::new(),
    })
}

/// What the Modelfile sets.
fn parameters(launch: &Launch<'_>) -> Vec<(&'static str, u64)> {
    let mut parameters = vec![("num_ctx", launch.context.0)];
    let layers = match (launch.on_processor(), launch.options.gpu_layers) {
        (true, _) => Some(0),
        (false, layers) => layers,
    };
    parameters.extend(layers.map(|layers| ("num_gpu", u64::from(layers))));
    parameters.extend(
        launch
            .options
            .micro_batch
            .map(|tokens| ("num_batch", tokens)),
    );
    parameters
}

/// `path` so that it is no model's name.
fn local(path: &str) -> String {
    if path.starts_with(['/', '.']) {
        path.to_owned()
    } else {
        format!("./{path}")
    }
}

/// `name` as Ollama takes it for a model: what it does not allow becomes a dash.
///
/// Source: `isValidPart` in ollama `types/model/name.go`.
pub(super) fn tag(name: &str) -> String {
    let kept = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
    let tag: String = name
        .chars()
        .map(|letter| if kept(letter) { letter } else { '-' })
        .take(80)
        .collect();
    let tag = tag.trim_start_matches(['-', '.', '_']);
    if tag.is_empty() {
        "model".to_owned()
    } else {
        tag.to_owned()
    }
}

/// Whether Ollama's reader keeps `letter`: letters, marks, numbers, punctuation, symbols and the plain space.
///
/// Source: `strconv.IsPrint` of Go, which drops the same categories that Rust writes as escapes behind another letter.
fn is_printable(letter: char) -> bool {
    if letter.is_ascii() {
        return letter == ' ' || letter.is_ascii_graphic();
    }
    let behind_another: String = ['a', letter].iter().collect();
    behind_another.escape_debug().nth(1) == Some(letter)
}

/// `text` as a value of a Modelfile, which has quotes but no escapes.
///
/// Source: `ParseFile` and `unquote` in ollama `parser/parser.go`.
fn value(text: &str) -> Result<String> {
    let unprintable = |letter: char| letter != '\n' && !is_printable(letter);
    let refused = || {
        Error::Unanswerable(format!(
            "a Modelfile cannot name `{}`: rename it",
            text.escape_debug()
        ))
    };
    if text.is_empty() || text.chars().any(unprintable) {
        return Err(refused());
    }
    let plain =
        !text.contains('\n') && !text.starts_with('"') && text.trim_matches([' ', '\t']) == text;
    if plain {
        return Ok(text.to_owned());
    }
    // A closing quote before a line break would end the value there.
    match (text.contains("\"\n"), text.starts_with('"')) {
        (false, false) => Ok(format!("\"{text}\"")),
        (_, _) if !text.contains("\"\"\"\n") => Ok(format!("\"\"\"{text}\"\"\"")),
        (_, _) => Err(refused()),
    }
}
