//! The device count, split, context and limits in each target are the plan's.

use dsk::deploy::Target;
use dsk::deploy::cluster::{Sizes, sizes};
use dsk::request::{Asked, Request, SplitAsked};
use serde_json::Value;

use super::{Plan, of_kind};

/// The value after `flag` among the arguments of a container.
fn flag<'a>(arguments: &'a Value, flag: &str) -> Option<&'a str> {
    let words: Vec<&str> = arguments
        .as_array()?
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let place = words.iter().position(|word| *word == flag)?;
    words.get(place + 1).copied()
}

fn number(value: &Value) -> u64 {
    match value.as_str() {
        Some(text) => text.parse().expect("a number"),
        None => value.as_u64().expect("a number"),
    }
}

pub(crate) fn sizes_of(plan: &Plan) -> Sizes {
    plan.with(Target::Kubernetes, |rollout| sizes(rollout).expect("sizes"))
}

fn follows_the_plan(arguments: &Value, request: &Request) {
    let either = |vllm: &str, sglang: &str| {
        flag(arguments, vllm)
            .or(flag(arguments, sglang))
            .map(str::to_owned)
    };
    let parts = |vllm: &str, sglang: &str| {
        either(vllm, sglang).map_or(1, |parts| parts.parse::<u64>().expect("parts"))
    };
    assert_eq!(
        either("--max-model-len", "--context-length"),
        Some(request.context.to_string())
    );
    assert_eq!(
        either("--max-num-seqs", "--max-running-requests"),
        Some(request.sequences.to_string())
    );
    assert_eq!(
        parts("--pipeline-parallel-size", "--pp-size"),
        request.split.pipeline
    );
    assert_eq!(
        parts("--data-parallel-size", "--dp-size"),
        request.split.data
    );
    assert_eq!(
        parts("--tensor-parallel-size", "--tp-size"),
        request.split.tensor
    );
}

#[test]
fn one_node_has_the_plans_devices() {
    for (model, gpu, engine, devices) in [
        ("13b", "a100-40gb", "vllm", 1),
        ("33b", "2xh100", "sglang", 2),
        ("v3", "8xh200", "vllm", 8),
        ("r1", "8xmi300x", "sglang", 8),
    ] {
        let plan = Plan::of(model, gpu, engine);
        assert_eq!(devices, plan.request.split.devices());
        let documents = plan.documents(Target::Kubernetes);
        let server = of_kind(&documents, "Deployment");
        let container = &server["spec"]["template"]["spec"]["containers"][0];
        follows_the_plan(&container["args"], &plan.request);
        let resource = if gpu.contains("mi300x") {
            "amd.com/gpu"
        } else {
            "nvidia.com/gpu"
        };
        for part in ["limits", "requests"] {
            assert_eq!(
                number(&container["resources"][part][resource]),
                devices,
                "{model}"
            );
        }
        let name = plan.with(Target::Kubernetes, |rollout| rollout.name.clone());
        let file = plan.documents(Target::DockerCompose);
        let service = &file[0]["services"][&name];
        follows_the_plan(&service["command"], &plan.request);
        if resource == "nvidia.com/gpu" {
            let reserved = &service["deploy"]["resources"]["reservations"]["devices"][0];
            assert_eq!(number(&reserved["count"]), devices);
            assert_eq!(reserved["capabilities"][0], "gpu");
        }
        if engine == "vllm" {
            let values = plan.documents(Target::HelmValues);
            let model = &values[0]["servingEngineSpec"]["modelSpec"][0];
            assert_eq!(number(&model["requestGPU"]), devices);
            assert_eq!(
                number(&model["vllmConfig"]["tensorParallelSize"]),
                plan.request.split.tensor
            );
            let context = flag(&model["vllmConfig"]["extraArgs"], "--max-model-len");
            assert_eq!(context, Some(plan.request.context.to_string().as_str()));
        }
    }
}

#[test]
fn several_nodes_share_the_plans_devices() {
    for engine in ["vllm", "sglang"] {
        let plan = Plan::of("v3", "16xh100", engine);
        let documents = plan.documents(Target::Kubernetes);
        let group = &of_kind(&documents, "LeaderWorkerSet")["spec"]["leaderWorkerTemplate"];
        let nodes = number(&group["size"]);
        assert_eq!(nodes, 2);
        for template in ["leaderTemplate", "workerTemplate"] {
            let container = &group[template]["spec"]["containers"][0];
            follows_the_plan(&container["args"], &plan.request);
            let limits = &container["resources"]["limits"];
            assert_eq!(number(&limits["nvidia.com/gpu"]) * nodes, 16);
            assert_eq!(flag(&container["args"], "--nnodes"), Some("2"));
            let rank = match template {
                "leaderTemplate" => "0",
                _ => "$(LWS_WORKER_INDEX)",
            };
            assert_eq!(flag(&container["args"], "--node-rank"), Some(rank));
            let leader = flag(&container["args"], "--master-addr")
                .or(flag(&container["args"], "--dist-init-addr"));
            assert!(
                leader
                    .expect("an address")
                    .starts_with("$(LWS_LEADER_ADDRESS)")
            );
            let headless = container["args"]
                .as_array()
                .expect("words")
                .contains(&"--headless".into());
            assert_eq!(headless, engine == "vllm" && template == "workerTemplate");
        }
        assert!(
            documents
                .iter()
                .all(|document| document["kind"] != "Deployment")
        );
        let refused = plan.refused(Target::DockerCompose);
        assert!(refused.contains("2 nodes"), "{refused}");
        let refused = plan.refused(Target::HelmValues);
        let reason = if engine == "vllm" {
            "2 nodes"
        } else {
            "vLLM alone"
        };
        assert!(refused.contains(reason), "{refused}");
    }
}

#[test]
fn devices_that_do_not_fill_nodes_are_refused() {
    let plan = Plan::of("v3", "9xh100", "vllm");
    let refused = plan.refused(Target::Kubernetes);
    assert!(refused.contains("do not fill 2 nodes"), "{refused}");
}

#[test]
fn other_engines_are_refused() {
    let plan = Plan::of("6.7b", "rtx-4090", "llama.cpp");
    let refused = plan.refused(Target::Kubernetes);
    assert!(refused.contains("--engine vllm"), "{refused}");
}

/// Secrets are named, never written; nothing runs with more rights than it needs.
#[test]
fn the_pod_is_closed() {
    let plan = Plan::of("v3", "16xh100", "vllm");
    let documents = plan.documents(Target::Kubernetes);
    assert!(
        documents
            .iter()
            .all(|document| document["kind"] != "Secret")
    );
    let group = &of_kind(&documents, "LeaderWorkerSet")["spec"]["leaderWorkerTemplate"];
    for template in ["leaderTemplate", "workerTemplate"] {
        let pod = &group[template]["spec"];
        let container = &pod["containers"][0];
        let rights = &container["securityContext"];
        assert_eq!(rights["privileged"], false);
        assert_eq!(rights["allowPrivilegeEscalation"], false);
        assert_eq!(rights["capabilities"]["drop"][0], "ALL");
        assert_eq!(rights["seccompProfile"]["type"], "RuntimeDefault");
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert!(pod["hostNetwork"].is_null() && pod["hostIPC"].is_null());
        let variables = container["env"].as_array().expect("variables");
        let token = variables
            .iter()
            .find(|variable| variable["name"] == "HF_TOKEN");
        let token = token.expect("the token");
        assert!(token["value"].is_null());
        assert_eq!(token["valueFrom"]["secretKeyRef"]["optional"], true);
        let image = container["image"].as_str().expect("an image");
        let (_, tag) = image.rsplit_once(':').expect("a tag");
        assert_ne!(tag, "latest");
    }
}

/// 500 MB at 100 MB/s and 1 GB/s would be 5.5 s; V3's 688.6 GB are 6886 s, half of them read in 345 s, and 600 s more.
#[test]
fn probes_wait_for_the_load() {
    let plan = Plan::of("v3", "16xh100", "vllm");
    assert_eq!(sizes_of(&plan).first_start, 6886 + 345 + 600);
    let documents = plan.documents(Target::Kubernetes);
    let group = &of_kind(&documents, "LeaderWorkerSet")["spec"]["leaderWorkerTemplate"];
    let probe = &group["leaderTemplate"]["spec"]["containers"][0]["startupProbe"];
    let patience = number(&probe["failureThreshold"]) * number(&probe["periodSeconds"]);
    // The rates are assumed, so a start has twice as long as they make it.
    assert!((15_662..15_682).contains(&patience), "{patience}");
}

/// A rollout is given up no sooner than its pods, the image's pull included.
#[test]
fn a_rollout_waits_as_long_as_its_pods() {
    let plan = Plan::of("v3", "8xh200", "vllm");
    let sizes = sizes_of(&plan);
    let documents = plan.documents(Target::Kubernetes);
    let spec = &of_kind(&documents, "Deployment")["spec"];
    let probe = &spec["template"]["spec"]["containers"][0]["startupProbe"];
    let patience = number(&probe["failureThreshold"]) * number(&probe["periodSeconds"]);
    assert!(patience >= 2 * sizes.first_start);
    assert!(number(&spec["progressDeadlineSeconds"]) >= patience + 600);
    let manifest = plan.written(Target::Kubernetes).expect("a file");
    let wait = format!("--timeout={}s", number(&spec["progressDeadlineSeconds"]));
    assert!(manifest.closing.iter().any(|line| line.contains(&wait)));
    let file = plan.documents(Target::DockerCompose);
    let start = &file[0]["services"]["dsk-deepseek-v3"]["healthcheck"]["start_period"];
    assert_eq!(start, &format!("{}s", sizes.patience));
}

/// SGLang's `/health` would queue a token behind all requests; vLLM's has no such switch.
#[test]
fn probes_do_not_queue() {
    for (engine, expected) in [("sglang", Some("0")), ("vllm", None)] {
        let plan = Plan::of("33b", "2xh100", engine);
        let name = "SGLANG_ENABLE_HEALTH_ENDPOINT_GENERATION";
        let documents = plan.documents(Target::Kubernetes);
        let pod = &of_kind(&documents, "Deployment")["spec"]["template"]["spec"];
        let variables = pod["containers"][0]["env"].as_array().expect("variables");
        let found = variables.iter().find(|variable| variable["name"] == name);
        assert_eq!(found.and_then(|found| found["value"].as_str()), expected);
        let file = plan.documents(Target::DockerCompose);
        let service = &file[0]["services"]["dsk-33b"];
        assert_eq!(service["environment"][name].as_str(), expected);
    }
}

/// Replicas on nodes of their own each read all weights; stages on several nodes share them.
#[test]
fn replicas_read_all_weights() {
    let split = |data, pipeline| {
        let asked = Asked {
            engine: Some("vllm".to_owned()),
            split: SplitAsked {
                tensor: Some(8),
                pipeline: Some(pipeline),
                data: Some(data),
                expert: None,
            },
            ..Asked::default()
        };
        let plan = Plan::asked("v3", "16xh200", &asked);
        sizes_of(&plan).weights
    };
    assert_eq!(split(2, 1).0, 688_574_839_360);
    assert_eq!(split(1, 2).0, 344_287_419_680);
}

/// A group of another system would be looked up in the image, which may lack it.
#[test]
fn compose_names_no_group() {
    let plan = Plan::of("r1", "8xmi300x", "sglang");
    let file = plan.documents(Target::DockerCompose);
    let service = &file[0]["services"]["dsk-deepseek-r1"];
    assert!(service["group_add"].is_null());
    assert_eq!(service["devices"][0], "/dev/kfd");
}

/// No container sees a folder of this machine.
#[test]
fn a_folder_of_this_machine_is_refused() {
    let mut plan = Plan::of("33b", "2xh100", "vllm");
    plan.path = Some("./folder");
    for target in [
        Target::Kubernetes,
        Target::DockerCompose,
        Target::HelmValues,
    ] {
        let refused = plan.refused(target);
        assert!(refused.contains("lies on this machine"), "{refused}");
    }
}

#[test]
fn monitoring_can_be_left_out() {
    let mut plan = Plan::of("13b", "a100-40gb", "vllm");
    plan.place.bare = true;
    let documents = plan.documents(Target::Kubernetes);
    let kinds: Vec<&str> = documents
        .iter()
        .filter_map(|document| document["kind"].as_str())
        .collect();
    assert_eq!(kinds, ["PersistentVolumeClaim", "Deployment", "Service"]);
}

/// vLLM numbers replicas, not nodes: a worker's first replica is its node's number times the replicas of a node.
#[test]
fn replicas_are_numbered_by_their_node() {
    let asked = Asked {
        engine: Some("vllm".to_owned()),
        split: SplitAsked {
            tensor: Some(4),
            pipeline: Some(1),
            data: Some(6),
            expert: None,
        },
        ..Asked::default()
    };
    let plan = Plan::asked("33b", "24xh200", &asked);
    let documents = plan.documents(Target::Kubernetes);
    let group = &of_kind(&documents, "LeaderWorkerSet")["spec"]["leaderWorkerTemplate"];
    assert_eq!(number(&group["size"]), 3);
    let worker = &group["workerTemplate"]["spec"]["containers"][0];
    let script = worker["command"][2].as_str().expect("a script");
    // Kubernetes makes one dollar of two.
    assert_eq!(
        script.replace("$$", "$"),
        "exec \"$@\" --data-parallel-start-rank \"$((LWS_WORKER_INDEX * 2))\""
    );
    assert_eq!(worker["command"][4], "vllm");
    assert_eq!(flag(&worker["args"], "--data-parallel-start-rank"), None);
    assert_eq!(
        flag(&worker["args"], "--data-parallel-address"),
        Some("$(LWS_LEADER_ADDRESS)")
    );
}

/// A format that nobody publishes is made by the user first; a pod could not.
#[test]
fn formats_that_must_be_made_are_refused() {
    let asked = Asked {
        engine: Some("vllm".to_owned()),
        format: Some("awq".to_owned()),
        ..Asked::default()
    };
    let plan = Plan::asked("33b", "h100", &asked);
    let refused = plan.refused(Target::Kubernetes);
    assert!(refused.contains("must be made first"), "{refused}");
}
