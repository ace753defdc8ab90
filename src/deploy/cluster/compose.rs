//! Docker Compose: one server on this host.
//!
//! Source: the Compose specification, `deploy.resources.reservations.devices`, `env_file`, `healthcheck`.

use serde_json::{Value, json};

use super::arguments::{Role, Server, image, literal, words};
use super::sizes::{Sizes, gi, sizes};
use super::{Document, Manifest, PORT, Rollout};
use crate::calc::hardware::Device;
use crate::catalog::gpu::Vendor;
use crate::error::{Error, Result};

/// The file for `docker compose`.
///
/// # Errors
/// When the plan takes several nodes, or no image runs its engine on its devices.
pub(super) fn compose(rollout: &Rollout<'_>) -> Result<Manifest> {
    let server = Server::of(&rollout.launch, "docker-compose")?;
    let sizes = sizes(rollout)?;
    if sizes.nodes > 1 {
        return Err(Error::Unanswerable(format!(
            "docker-compose runs on one host, and {} take {} nodes; use `--to kubernetes`",
            rollout.hardware.summary(),
            sizes.nodes
        )));
    }
    let content = json!({
        "name": rollout.name,
        "services": { &rollout.name: service(rollout, server, sizes)? },
        "volumes": { "cache": {} },
    });
    Ok(Manifest {
        heading: heading(rollout, sizes),
        documents: vec![Document::of(&[], content)],
        closing: vec![
            "How to check it:".to_owned(),
            "  docker compose config --quiet && docker compose up --detach --wait".to_owned(),
            "  docker compose logs | grep -iE 'kv cache|model loading|load weight'".to_owned(),
            format!("  curl -s localhost:{}/v1/models", rollout.port()),
        ],
    })
}

fn service(rollout: &Rollout<'_>, server: Server, sizes: Sizes) -> Result<Value> {
    let words = words(rollout, server, Role::Alone)?;
    let mut environment = json!({ "HF_HOME": "/cache/huggingface" });
    if server == Server::Vllm {
        environment["VLLM_CACHE_ROOT"] = json!("/cache/vllm");
    }
    if let Some((name, value)) = server.health_variable() {
        environment[name] = json!(value);
    }
    for (name, value) in &words.environment {
        environment[name.as_str()] = json!(literal(value));
    }
    let health = format!(
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1:{PORT}/health', timeout=5)"
    );
    let mut service = json!({
        "image": literal(&image(rollout)?),
        "entrypoint": words.program,
        "command": words.flat(),
        "environment": environment,
        "env_file": [{ "path": ".env", "required": false }],
        "ports": [literal(&format!("{}:{}:{PORT}", rollout.question.host, rollout.port()))],
        "volumes": ["cache:/cache"],
        "shm_size": sizes.shared_memory.0,
        "restart": "unless-stopped",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "healthcheck": {
            "test": ["CMD", "python3", "-c", health],
            "interval": "10s",
            "timeout": "10s",
            "retries": 6,
            "start_period": format!("{}s", sizes.patience),
        },
        "deploy": { "resources": { "limits": { "memory": sizes.memory.0.to_string() } } },
    });
    devices(rollout, sizes, &mut service)?;
    Ok(service)
}

/// Gives the service its devices.
fn devices(rollout: &Rollout<'_>, sizes: Sizes, service: &mut Value) -> Result<()> {
    let vendor = rollout.hardware.devices.first().map(Device::vendor);
    match vendor {
        Some(Vendor::Nvidia) => {
            service["deploy"]["resources"]["reservations"] = json!({ "devices": [{
                "driver": "nvidia",
                "count": sizes.devices,
                "capabilities": ["gpu"],
            }]});
            Ok(())
        }
        // ROCm containers get the driver's device files; which cards is ROCR_VISIBLE_DEVICES's to say. The images run
        // as root, to whom the files belong; a group's name would be looked up in the image, and newer ones have
        // no `render` (ROCm/rocm-libraries pull request 6563).
        Some(Vendor::Amd) => {
            let cards: Vec<String> = (0..sizes.devices).map(|card| card.to_string()).collect();
            service["devices"] = json!(["/dev/kfd", "/dev/dri"]);
            service["environment"]["ROCR_VISIBLE_DEVICES"] = json!(cards.join(","));
            Ok(())
        }
        Some(Vendor::Intel | Vendor::Apple | Vendor::Huawei) | None => {
            Err(Error::Unanswerable(format!(
                "how Compose reserves {} is not known",
                rollout.hardware.summary()
            )))
        }
    }
}

fn heading(rollout: &Rollout<'_>, sizes: Sizes) -> Vec<String> {
    let mut lines = rollout.heading(&sizes);
    lines.push(format!(
        "the cache volume takes up to {}; the hub's token comes from a file .env beside this one, if there is one: HF_TOKEN=...",
        gi(sizes.volume)
    ));
    lines
}
