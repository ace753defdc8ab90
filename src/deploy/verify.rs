//! How to check an answer on the engine itself.

use super::launch::{Launch, prepare, serve};
use super::text::one_line;
use super::words::Command;
use crate::calc::estimate::Estimate;
use crate::calc::hardware::Device;
use crate::catalog::Allocator;
use crate::catalog::gpu::Vendor;
use crate::error::Result;

/// A command, and what to look for in its output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// The command, for a POSIX shell.
    pub command: String,
    /// The lines to look at.
    pub look_at: String,
}

/// How to check a launch's memory.
///
/// # Errors
/// When the engine cannot be started that way.
pub fn verify(launch: &Launch<'_>) -> Result<Verification> {
    let command = if launch.engine.id == "llama.cpp" {
        let mut steps = prepare(launch)?;
        let mut started = serve(launch)?;
        started.program = ["llama-fit-params", "--fit-print", "on"]
            .map(str::to_owned)
            .to_vec();
        steps.push(started);
        let lines: Vec<String> = steps.iter().map(Command::line).collect();
        lines.join(" && ")
    } else {
        super::command(launch)?
    };
    Ok(Verification {
        command,
        look_at: memory_lines(launch.engine.allocator).to_owned(),
    })
}

/// Where the engine prints what it took.
fn memory_lines(allocator: Allocator) -> &'static str {
    match allocator {
        Allocator::LlamaCpp => {
            "model, context and compute of each device; `llama-server` prints them as \"model buffer size\", \"KV buffer size\" and \"compute buffer size\""
        }
        Allocator::Vllm => {
            "\"Model loading took ... GiB\", \"Available KV cache memory\" and \"GPU KV cache size: ... tokens\" in the log"
        }
        Allocator::Sglang => {
            "\"Load weight end ... mem usage\" and \"KV Cache is allocated ... #tokens\" in the log"
        }
        Allocator::Transformers => {
            "`model.get_memory_footprint()` after loading, `torch.cuda.max_memory_allocated()` after a generation"
        }
    }
}

/// How to check that a launch serves, and that it takes what was calculated.
pub(super) fn served(launch: &Launch<'_>, estimate: &Estimate) -> Vec<Verification> {
    let Some(service) = &launch.service else {
        return Vec::new();
    };
    let is_ollama = launch.engine.id == "ollama";
    let host = match service.host {
        "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        host => host,
    };
    let url = format!("http://{}:{}", bracketed(host), service.port);
    let get = |path: &str| format!("curl -fsS {}", one_line(&[format!("{url}{path}")]));
    let name = if is_ollama {
        super::ollama::tag(service.name)
    } else {
        service.name.to_owned()
    };
    vec![
        Verification {
            command: get(if is_ollama { "/api/version" } else { "/health" }),
            look_at: if is_ollama {
                "the server's version".to_owned()
            } else {
                "no error, once the weights are loaded".to_owned()
            },
        },
        Verification {
            command: get("/v1/models"),
            look_at: format!("the model {name}"),
        },
        taken(launch, estimate),
    ]
}

/// How to see what it takes.
fn taken(launch: &Launch<'_>, estimate: &Estimate) -> Verification {
    let log = memory_lines(launch.engine.allocator);
    let planned = estimate.memory.fullest().total();
    let fills = match launch.engine.allocator {
        Allocator::Vllm | Allocator::Sglang => " and more: what is left of its share becomes cache",
        Allocator::LlamaCpp | Allocator::Transformers => "",
    };
    let device = launch
        .hardware
        .and_then(|hardware| hardware.devices.first());
    let command = if launch.on_processor() {
        "ps -eo rss,args --sort=-rss | head -n 2"
    } else {
        memory_tool(device)
    };
    Verification {
        command: command.to_owned(),
        look_at: format!("{planned} on the fullest device{fills}; then {log}"),
    }
}

/// The vendor's own command that tells how much of a device's memory is taken.
fn memory_tool(device: Option<&Device>) -> &'static str {
    let gaudi = device
        .and_then(|device| device.gpu.as_ref())
        .is_some_and(|gpu| gpu.architecture.starts_with("gaudi"));
    match device.map_or(Vendor::Nvidia, Device::vendor) {
        Vendor::Nvidia => "nvidia-smi --query-gpu=memory.used --format=csv",
        Vendor::Amd => "rocm-smi --showmeminfo vram",
        Vendor::Intel if gaudi => "hl-smi",
        Vendor::Intel => "xpu-smi stats --device 0",
        Vendor::Apple => "top -l 1 -o mem -n 3 -stats command,mem",
        Vendor::Huawei => "npu-smi info",
    }
}

/// `host` as a part of an address with a port.
pub(super) fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}
