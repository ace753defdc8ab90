//! Transformers: a Python script.

use super::launch::Launch;
use super::question::{Deployment, File, Question};
use super::script::{check_nodes, footing, heading};
use super::text::python;
use super::verify::Verification;
use super::words::Command;
use crate::calc::tensors::parameters;
use crate::catalog::KvFormat;
use crate::error::{Error, Result};
use crate::request::no_such_cache;
use crate::units::count;

/// The command that talks to the model.
pub(super) fn chat(launch: &Launch<'_>) -> Result<Command> {
    Ok(Command {
        environment: Vec::new(),
        program: vec![
            "transformers".to_owned(),
            "chat".to_owned(),
            launch.loaded()?,
        ],
        arguments: Vec::new(),
    })
}

/// How the script loads the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loading {
    /// As the checkpoint is stored.
    Stored,
    /// As one element type of PyTorch.
    Element(&'static str),
    /// In 32 bits, then dynamic INT8 by PyTorch, on the processor.
    DynamicInt8,
    /// By bitsandbytes, in so many bits.
    Bitsandbytes(u64),
}

/// The script.
pub(super) fn deploy(question: &Question<'_>) -> Result<Deployment> {
    let launch = question.launch()?;
    let (known, version) = launch.known()?;
    check_nodes(&launch, launch.nodes())?;
    let loading = loading(&launch)?;
    let mut notes = super::notes::notes(question, &launch, known);
    if loading == Loading::DynamicInt8 {
        let whole = parameters(&launch.model.shape).main.bytes_at(32);
        notes.push(format!(
            "PyTorch makes the INT8 weights from FP32: the host needs {whole} while it loads"
        ));
        notes.push("the linear layers become INT8, the embedding stays in FP32, so a small model shrinks less than 4 times; needs pip install torch torchao transformers accelerate".to_owned());
    }
    if launch.sequences > 1 {
        notes.push(format!(
            "the script answers one prompt; give it a list of {} for the batch that was planned",
            launch.sequences
        ));
    }
    let verify = vec![Verification {
        command: "python transformers-chat.py".to_owned(),
        look_at: "the bytes of the weights on stderr, then an answer".to_owned(),
    }];
    let text = format!(
        "{}{}{}",
        heading(question, &launch, &notes),
        body(&launch, loading),
        footing(&verify)
    );
    Ok(Deployment {
        version: version.to_string(),
        files: vec![File {
            name: "transformers-chat.py".to_owned(),
            media_type: "text/x-python",
            text,
        }],
        verify,
        notes,
    })
}

fn loading(launch: &Launch<'_>) -> Result<Loading> {
    if launch.kv != KvFormat::F16 {
        return Err(no_such_cache(launch.engine, launch.kv));
    }
    super::make::check_plain(launch)?;
    let id = launch.format.id.as_str();
    Ok(match id {
        "fp32" => Loading::Element("float32"),
        "fp16" => Loading::Element("float16"),
        "bf16" => Loading::Element("bfloat16"),
        "int8" if launch.on_processor() || launch.hardware.is_none() => Loading::DynamicInt8,
        "bnb-int8" => Loading::Bitsandbytes(8),
        "nf4" => Loading::Bitsandbytes(4),
        _ if id == launch.model.native || launch.ready().is_some() => Loading::Stored,
        "int8" => {
            return Err(Error::Unanswerable(
                "PyTorch's dynamic INT8 runs on the processor (--gpu cpu); on a GPU take bnb-int8"
                    .to_owned(),
            ));
        }
        _ => {
            return Err(Error::Unanswerable(format!(
                "Transformers does not make `{id}` while it loads; `dsk quantize {}` has the command that makes it",
                launch.model.id
            )));
        }
    })
}

fn body(launch: &Launch<'_>, loading: Loading) -> String {
    let devices = launch
        .hardware
        .map_or(1, |hardware| count(hardware.devices.len()));
    let place = match (
        launch.on_processor() || loading == Loading::DynamicInt8,
        devices,
    ) {
        (true, _) => "\"cpu\"",
        (false, 0 | 1) => "{\"\": 0}",
        (false, _) => "\"auto\"",
    };
    let code = launch
        .known()
        .is_ok_and(|(known, _)| launch.needs_code(known));
    let code = if code { ", trust_remote_code=True" } else { "" };
    let (import, more) = match loading {
        Loading::Stored => ("", ", dtype=\"auto\"".to_owned()),
        Loading::Element(element) => ("", format!(", dtype=torch.{element}")),
        Loading::DynamicInt8 => ("", ", dtype=torch.float32".to_owned()),
        Loading::Bitsandbytes(bits) => (
            ", BitsAndBytesConfig",
            format!(
                ",\n    quantization_config=BitsAndBytesConfig(load_in_{bits}bit=True{})",
                if bits == 4 {
                    ", bnb_4bit_quant_type=\"nf4\", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.bfloat16"
                } else {
                    ""
                }
            ),
        ),
    };
    let quantizer = match loading {
        Loading::DynamicInt8 => {
            "from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_\n"
        }
        Loading::Stored | Loading::Element(_) | Loading::Bitsandbytes(_) => "",
    };
    let mut text = format!(
        "import sys\n\nimport torch\n{quantizer}from transformers import AutoModelForCausalLM, AutoTokenizer{import}\n\n\
         MODEL = {}\nCONTEXT = {}  # tokens of prompt and answer together\n\n\
         tokenizer = AutoTokenizer.from_pretrained(MODEL{code})\n\
         model = AutoModelForCausalLM.from_pretrained(\n    MODEL, device_map={place}{more}{code}\n).eval()\n",
        python(launch.weights()),
        launch.context,
    );
    if loading == Loading::DynamicInt8 {
        text.push_str(DYNAMIC);
    }
    text.push_str(TALK);
    text
}

/// Dynamic INT8: weights in 8 bits, inputs quantized as they come.
///
/// `torch.ao.quantization.quantize_dynamic` still runs in PyTorch 2.15 but is deprecated; torchao is its successor.
const DYNAMIC: &str = r#"

def held(tensor):
    """Bytes of a tensor; a quantized one is made of several."""
    if hasattr(tensor, "__tensor_flatten__"):
        return sum(held(getattr(tensor, name)) for name in tensor.__tensor_flatten__()[0])
    return tensor.numel() * tensor.element_size()


before = sum(held(weight) for weight in model.state_dict().values())
quantize_(model, Int8DynamicActivationInt8WeightConfig())
after = sum(held(weight) for weight in model.state_dict().values())
print(
    f"weights: {before} bytes in FP32, {after} bytes in INT8, {before / after:.2f} times smaller",
    file=sys.stderr,
)
"#;

/// One question and its answer.
const TALK: &str = r#"
prompt = sys.argv[1] if len(sys.argv) > 1 else "Write a function that reverses a list."
inputs = tokenizer.apply_chat_template(
    [{"role": "user", "content": prompt}],
    add_generation_prompt=True,
    return_dict=True,
    return_tensors="pt",
).to(model.device)
length = inputs["input_ids"].shape[1]
with torch.inference_mode():
    output = model.generate(**inputs, max_new_tokens=max(1, min(512, CONTEXT - length)))
print(tokenizer.decode(output[0, length:], skip_special_tokens=True))
"#;
