//! Device count, split, context, cache format and limits of every output are the plan's.

use dsk::catalog::Catalog;
use dsk::deploy::Target;
use dsk::request::{Request, SplitAsked};

use super::question::{Wish, command, value};

fn number(words: &[String], flag: &str) -> u64 {
    value(words, flag).map_or(1, |text| text.parse().expect("a number"))
}

/// V3 on 8 H200 by tensor and data parallelism, its experts over all of them: the plan and the command.
fn v3(target: Target, (tensor, data): (u64, u64)) -> (Request, Vec<String>) {
    let catalog = Catalog::load(&[]).expect("the catalog");
    let mut wish = Wish::of(target, "8xh200");
    wish.split = SplitAsked {
        tensor: Some(tensor),
        data: Some(data),
        expert: Some(8),
        pipeline: Some(1),
    };
    (wish.context, wish.sequences, wish.kv) = (32_768, 64, Some("fp8"));
    let request = wish
        .request(&catalog, catalog.model("v3").expect("V3"))
        .expect("a plan");
    let words = command(&wish.deploy(&request).expect("a script").files[0].text, 0);
    (request, words)
}

#[test]
fn vllm_writes_the_plan() {
    let (request, words) = v3(Target::Vllm, (4, 2));
    let replicas = number(&words, "--data-parallel-size");
    let devices = number(&words, "--tensor-parallel-size")
        * number(&words, "--pipeline-parallel-size")
        * replicas;
    assert_eq!(devices, request.split.devices());
    assert_eq!(number(&words, "--max-model-len"), request.context.0);
    assert_eq!(
        number(&words, "--max-num-seqs") * replicas,
        request.sequences
    );
    assert_eq!(value(&words, "--kv-cache-dtype"), Some("fp8"));
    assert_eq!(value(&words, "--gpu-memory-utilization"), Some("0.92"));
    assert_eq!(number(&words, "--max-num-batched-tokens"), 8192);
    assert!(words.iter().any(|word| word == "--enable-expert-parallel"));
}

/// Node by node: 16 devices in two nodes of 8, and the second serves no clients.
#[test]
fn nodes_share_the_plan() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    let over_both = |target| {
        let mut wish = Wish::of(target, "16xh100");
        wish.split.tensor = Some(16);
        wish.text(&catalog, "v3")
    };
    let text = over_both(Target::Vllm);
    let (first, second) = (command(&text, 0), command(&text, 1));
    assert_eq!(
        (
            number(&first, "--nnodes"),
            number(&first, "--tensor-parallel-size")
        ),
        (2, 16)
    );
    assert_eq!(value(&first, "--node-rank"), Some("0"));
    assert_eq!(value(&second, "--node-rank"), Some("1"));
    assert!(
        second.iter().any(|word| word == "--headless")
            && !first.iter().any(|word| word == "--headless")
    );
    let text = over_both(Target::Sglang);
    let second = command(&text, 1);
    assert_eq!(
        (
            number(&second, "--nnodes"),
            number(&second, "--tp-size"),
            number(&second, "--node-rank")
        ),
        (2, 16, 1)
    );
    // Unless asked for, tensor parallelism stays within a node.
    let first = command(&Wish::of(Target::Vllm, "16xh100").text(&catalog, "v3"), 0);
    assert_eq!(number(&first, "--tensor-parallel-size"), 8);
    assert_eq!(number(&first, "--pipeline-parallel-size"), 2);
}

/// V3.2's cache stays in the 16 bits that were planned, whatever the engine would choose.
#[test]
fn a_planned_cache_is_not_left_to_the_engine() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    for (target, kind) in [(Target::Vllm, "bfloat16"), (Target::Sglang, "bf16")] {
        let words = command(&Wish::of(target, "8xb200").text(&catalog, "v3.2"), 0);
        assert_eq!(value(&words, "--kv-cache-dtype"), Some(kind));
    }
}

/// With shared experts SGLang's tensor size counts every device of a stage.
#[test]
fn sglang_writes_the_plan() {
    let (request, words) = v3(Target::Sglang, (1, 8));
    assert_eq!(number(&words, "--tp-size"), request.split.devices());
    assert_eq!(number(&words, "--dp-size"), request.split.data);
    assert_eq!(number(&words, "--ep-size"), request.split.expert);
    assert_eq!(number(&words, "--max-running-requests"), request.sequences);
    assert_eq!(number(&words, "--context-length"), request.context.0);
    assert!(words.iter().any(|word| word == "--enable-dp-attention"));
    assert_eq!(value(&words, "--kv-cache-dtype"), Some("fp8_e4m3"));
}

#[test]
fn llama_cpp_writes_the_plan() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    let mut wish = Wish::of(Target::LlamaCpp, "rtx-4090,rtx-3090");
    (wish.context, wish.sequences, wish.kv) = (8192, 4, Some("q8_0"));
    wish.format = Some("q4_k_m");
    let request = wish
        .request(&catalog, catalog.model("33b").expect("33B"))
        .expect("a plan");
    let words = command(&wish.deploy(&request).expect("a script").files[0].text, 0);
    assert_eq!(
        number(&words, "--ctx-size"),
        request.context.0 * request.sequences
    );
    assert_eq!(number(&words, "--parallel"), request.sequences);
    assert_eq!(value(&words, "--cache-type-k"), Some("q8_0"));
    let shares = value(&words, "--tensor-split")
        .expect("shares")
        .split(',')
        .count();
    assert_eq!(dsk::units::count(shares), request.split.devices());
}

#[test]
fn ollama_and_transformers_write_the_plan() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    let mut wish = Wish::of(Target::Ollama, "rtx-4090");
    (wish.context, wish.sequences, wish.kv) = (16_384, 3, Some("q8_0"));
    wish.format = Some("q4_k_m");
    let text = wish.text(&catalog, "6.7b");
    assert!(text.contains("\nPARAMETER num_ctx 16384\n"), "{text}");
    assert!(
        text.contains("OLLAMA_NUM_PARALLEL=3") && text.contains("OLLAMA_KV_CACHE_TYPE=q8_0"),
        "{text}"
    );
    assert!(text.contains(":Q4_K_M\n"), "{text}");
    let mut wish = Wish::of(Target::Transformers, "cpu");
    (wish.context, wish.format) = (2048, Some("int8"));
    let text = wish.text(&catalog, "1.3b");
    assert!(
        text.contains("\nCONTEXT = 2048 ") && text.contains("quantize_(model, Int8Dynamic"),
        "{text}"
    );
}

/// What runs in one process is not written for devices that no single machine holds.
#[test]
fn one_process_does_not_span_machines() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    for target in [Target::LlamaCpp, Target::Ollama, Target::Transformers] {
        let wish = Wish::of(target, "16xh100");
        let model = catalog.model("v3").expect("V3");
        let request = wish.request(&catalog, model).expect("a plan");
        let refused = wish.deploy(&request).expect_err("two nodes").to_string();
        assert!(refused.contains("2 nodes"), "{refused}");
        Wish::of(target, "8xh200").text(&catalog, "v3");
    }
}

/// The tool that tells of the memory is that of the devices' vendor.
#[test]
fn memory_is_checked_with_the_vendors_tool() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    for (gpu, tool) in [
        ("h200", "nvidia-smi "),
        ("mi300x", "rocm-smi "),
        ("m2-ultra-192", "top -l 1 "),
        ("cpu", "ps -eo rss"),
    ] {
        let text = Wish::of(Target::LlamaCpp, gpu).text(&catalog, "1.3b");
        assert!(text.contains(&format!("#   {tool}")), "{gpu}: {text}");
    }
    let text = Wish::of(Target::Vllm, "gaudi3").text(&catalog, "1.3b");
    assert!(text.contains("#   hl-smi"), "{text}");
}
