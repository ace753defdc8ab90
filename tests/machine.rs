//! The machine's own devices, with vendors' tools that are absent, hang, fail, lie or answer.
//!
//! The tools are scripts in a folder that is the whole PATH. What they print is taken from public logs.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A folder of tools that goes when the test ends.
struct Tools(PathBuf);

impl Tools {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tools-{name}"));
        fs::remove_dir_all(&folder).ok();
        fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    fn with(self, tool: &str, script: &str) -> Self {
        let path = self.0.join(tool);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
        self
    }

    fn dsk(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_dsk"))
            .args(arguments)
            .env_clear()
            .env("PATH", &self.0)
            .output()
            .expect("dsk runs")
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.dsk(arguments);
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

impl Drop for Tools {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const TWO: &str = "echo '0, NVIDIA GeForce RTX 4090, [N/A], 24564, 23028'; echo '1, NVIDIA GeForce RTX 3090, [N/A], 24576, 24000'";

#[test]
fn without_hardware_the_machine_is_taken() {
    let tools = Tools::new("two").with("nvidia-smi", TWO);
    let answer = tools.json(&["recommend", "--json"]);
    let hardware = &answer["hardware"];
    assert_eq!(hardware["detected"], true);
    assert_eq!(hardware["memory_of"], "free");
    assert_eq!(hardware["gpus"], 2);
    let first = &hardware["devices"][0];
    assert_eq!(first["id"], "rtx-4090");
    assert_eq!(first["usable_bytes"], 23_028_u64 << 20);
    assert_eq!(first["free_bytes"], 23_028_u64 << 20);
    assert_eq!(first["total_bytes"], 24_564_u64 << 20);
    assert_eq!(first["basis"], "measured");
    assert_eq!(hardware["devices"][1]["id"], "rtx-3090");
    let said = complaint(&tools.dsk(&["recommend"]));
    assert!(said.contains("found on this machine"), "{said}");
    assert!(
        said.contains("RTX 4090") && said.contains("RTX 3090"),
        "{said}"
    );
}

/// Two cards as driver 580.159.04 listed them on 2026-11-24: the name is the catalog's, so the speed is known.
#[test]
fn a_drivers_name_is_the_catalogs_card() {
    let tools = Tools::new("h100").with(
        "nvidia-smi",
        "echo '0, NVIDIA H100 80GB HBM3, Disabled, 81559, 81079'\n\
         echo '1, NVIDIA H100 80GB HBM3, Disabled, 81559, 81079'",
    );
    let answer = tools.json(&["recommend", "--json"]);
    let devices = answer["hardware"]["devices"].as_array().expect("devices");
    let ids: Vec<_> = devices.iter().map(|device| device["id"].as_str()).collect();
    assert_eq!(ids, [Some("h100-sxm"), Some("h100-sxm")]);
    assert_eq!(devices[0]["free_bytes"], 81_079_u64 << 20);
    let speed = &answer["recommendations"][0]["speed"];
    assert!(
        speed["time_per_output_token_seconds"]["value"].is_number(),
        "{speed}"
    );
}

#[test]
fn the_fit_is_against_what_is_free_unless_all_is_asked_for() {
    let full = "echo '0, NVIDIA GeForce RTX 4090, [N/A], 24564, 4096'";
    let tools = Tools::new("full").with("nvidia-smi", full);
    let check = |of: &[&str]| {
        let mut arguments = vec!["check", "6.7b", "--int8", "--gpu", "this"];
        arguments.extend(of);
        tools.dsk(&arguments).status.code()
    };
    assert_eq!(check(&[]), Some(3));
    assert_eq!(check(&["--of", "free"]), Some(3));
    assert_eq!(check(&["--of", "total"]), Some(0));
}

#[test]
fn a_named_device_asks_no_tool() {
    let marker = Path::new(env!("CARGO_TARGET_TMPDIR")).join("asked");
    fs::remove_file(&marker).ok();
    let script = format!(": > {}", marker.display());
    let tools = Tools::new("asked")
        .with("nvidia-smi", &script)
        .with("npu-smi", &script);
    for arguments in [
        &["list"][..],
        &["recommend", "--vram", "12"],
        &["memory", "6.7b", "--gpu", "4090"],
        &["show", "rtx-4090"],
    ] {
        assert!(tools.dsk(arguments).status.success(), "{arguments:?}");
    }
    assert!(!marker.exists());
    tools.dsk(&["recommend"]);
    assert!(marker.exists(), "the marker works");
}

#[test]
fn a_tool_that_hangs_is_killed_and_said() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hanging");
    let script = format!("echo $$ > {}; exec /bin/sleep 600", file.display());
    let tools = Tools::new("hang").with("nvidia-smi", &script);
    let begun = Instant::now();
    let output = tools.dsk(&["recommend"]);
    assert!(begun.elapsed() < Duration::from_secs(8));
    let said = complaint(&output);
    assert!(said.contains("did not answer within 3 seconds"), "{said}");
    assert!(said.contains("found on this machine"), "{said}");
    assert!(output.status.success());
    let id = fs::read_to_string(&file).expect("it ran");
    let alive = Path::new("/proc").join(id.trim()).exists();
    assert!(!alive, "the child is gone");
}

#[test]
fn a_tool_that_fails_or_lies_is_said() {
    // What nvidia-smi prints, and its exit code, when the driver is not loaded.
    let failing = "echo \"NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\"; exit 9";
    for (name, script, word) in [
        ("nine", failing, "nvidia-smi failed"),
        ("garbage", "echo '<html>404</html>'", "unknown form"),
        ("short", "echo '0, NVIDIA A40'", "unknown form"),
    ] {
        let tools = Tools::new(name).with("nvidia-smi", script);
        let output = tools.dsk(&["recommend", "--json"]);
        assert!(complaint(&output).contains(word), "{output:?}");
        let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(answer["hardware"]["detected"], true);
        assert!(answer["hardware"]["devices"][0]["usable_bytes"].is_u64());
    }
}

#[test]
fn a_device_that_shares_the_hosts_memory_has_what_is_free_there() {
    let tools = Tools::new("gb10").with("nvidia-smi", "echo '0, NVIDIA GB10, [N/A], [N/A], [N/A]'");
    let answer = tools.json(&["recommend", "--json"]);
    let device = &answer["hardware"]["devices"][0];
    assert_eq!(device["id"], "gb10");
    assert_eq!(device["usable_bytes"], device["free_bytes"]);
    assert!(device["free_bytes"].is_u64());
}

/// The table in XuehaiPan/nvitop pull request 8.
#[test]
fn a_card_that_is_cut_counts_by_its_slices() {
    let script = "case \"$1\" in --query*) echo '1, NVIDIA A100-SXM4-80GB, Enabled, 81920, 57728';; *) \
        echo '| MIG devices: |'; \
        echo '|  1    3   0   0  |  14366MiB / 19968MiB | 28      0 |  2   0    1    0    0 |'; \
        echo '|  1    6   0   2  |     13MiB / 19968MiB | 28      0 |  2   0    1    0    0 |';; esac";
    let tools = Tools::new("mig").with("nvidia-smi", script);
    let answer = tools.json(&["recommend", "--json"]);
    let devices = answer["hardware"]["devices"].as_array().expect("devices");
    assert_eq!(devices.len(), 2);
    assert_eq!(devices[0]["free_bytes"], (19_968_u64 - 14_366) << 20);
    assert_eq!(devices[1]["total_bytes"], 19_968_u64 << 20);
}

/// What nvidia-smi prints where it cannot ask a card; the other one still counts.
#[test]
fn memory_that_cannot_be_read_is_said_and_not_the_hosts() {
    let script = "echo '0, NVIDIA GeForce RTX 4090, [N/A], [Unknown Error], [Unknown Error]'; \
        echo '1, NVIDIA GeForce RTX 3090, [N/A], 24576, 24000'";
    let tools = Tools::new("unread").with("nvidia-smi", script);
    let output = tools.dsk(&["recommend", "--json"]);
    let said = complaint(&output);
    assert!(
        said.contains(
            "`[Unknown Error]` of the memory of NVIDIA GeForce RTX 4090 (card 0): not counted"
        ),
        "{said}"
    );
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let devices = answer["hardware"]["devices"].as_array().expect("devices");
    assert_eq!(devices.len(), 1);
    assert_eq!(devices[0]["id"], "rtx-3090");
}

/// `[N/A]` is what a device that shares the host's memory says: a card with its own does not have the host's.
#[test]
fn a_card_does_not_get_the_hosts_memory() {
    let line = "echo '0, NVIDIA GeForce RTX 4090, [N/A], [N/A], [N/A]'";
    let tools = Tools::new("untold").with("nvidia-smi", line);
    let output = tools.dsk(&["recommend", "--json"]);
    let said = complaint(&output);
    assert!(
        said.contains("the memory of NVIDIA GeForce RTX 4090 is not told"),
        "{said}"
    );
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_ne!(answer["hardware"]["devices"][0]["id"], "rtx-4090");
}

/// A card whose total is told and whose free memory is not: the fit is against what an idle one has.
#[test]
fn free_memory_is_only_what_was_read() {
    let line = "echo '0, NVIDIA GeForce RTX 4090, [N/A], 24564, [Unknown Error]'";
    let tools = Tools::new("total-only").with("nvidia-smi", line);
    let output = tools.dsk(&["recommend", "--json"]);
    let said = complaint(&output);
    assert!(
        said.contains("in all; what is free is not known") && !said.contains("free now"),
        "{said}"
    );
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let hardware = &answer["hardware"];
    assert_eq!(hardware["memory_of"], "total");
    assert_eq!(hardware["devices"][0]["id"], "rtx-4090");
    assert!(hardware["devices"][0]["free_bytes"].is_null());
    assert!(hardware["devices"][0]["usable_bytes"].is_u64());
}

/// The query answers, the table fails, is of another form, or lists none.
#[test]
fn mig_devices_that_cannot_be_listed_are_said() {
    for (name, table) in [
        ("mig-fails", "exit 1"),
        ("mig-form", "echo 'MIG devices: see nvidia-smi mig'"),
        (
            "mig-none",
            "echo '| MIG devices: |'; echo '|  No MIG devices found |'",
        ),
    ] {
        let script = format!(
            "case \"$1\" in --query*) echo '0, NVIDIA A100-SXM4-80GB, Enabled, 81920, 57728'; \
             echo '1, NVIDIA A100-SXM4-80GB, Disabled, 81920, 81000';; *) {table};; esac"
        );
        let tools = Tools::new(name).with("nvidia-smi", &script);
        let output = tools.dsk(&["recommend", "--json"]);
        let said = complaint(&output);
        assert!(
            said.contains("NVIDIA A100-SXM4-80GB (card 0) is in MIG mode, and its MIG devices could not be listed: not counted"),
            "{name}: {said}"
        );
        let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let devices = answer["hardware"]["devices"].as_array().expect("devices");
        assert_eq!(devices.len(), 1, "{name}");
        assert_eq!(devices[0]["free_bytes"], 81_000_u64 << 20);
    }
}

/// The table in Project-HAMi/HAMi-WebUI issue 47.
#[test]
fn an_ascend_is_found() {
    let script = "echo '| 0     910B4-1             | OK            | 91.3        33                0    / 0             |'; \
        echo '| 0                         | 0000:xx:00.0  | 0           0    / 0          3197 / 65536         |'";
    let tools = Tools::new("ascend").with("npu-smi", script);
    let answer = tools.json(&["recommend", "--json"]);
    let device = &answer["hardware"]["devices"][0];
    assert_eq!(device["free_bytes"], (65_536_u64 - 3_197) << 20);
}

#[test]
fn more_devices_than_there_are_is_an_error() {
    let tools = Tools::new("count").with("nvidia-smi", TWO);
    let output = tools.dsk(&["memory", "6.7b", "--gpu", "this", "--gpus", "3"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains("2 such devices, not 3"));
}
