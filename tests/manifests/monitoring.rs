//! What watches a rollout: thresholds of the plan, series of this deployment alone, the installation that reads it.

use dsk::deploy::Target;
use serde_json::Value;

use super::plan::sizes_of;
use super::{Plan, of_kind};

/// The alert of that name.
fn alert(plan: &Plan, name: &str) -> Option<Value> {
    let documents = plan.documents(Target::Kubernetes);
    let rules = &of_kind(&documents, "PrometheusRule")["spec"]["groups"][0]["rules"];
    let rules = rules.as_array().expect("rules");
    rules.iter().find(|rule| rule["alert"] == name).cloned()
}

fn expression(plan: &Plan, name: &str) -> String {
    let rule = alert(plan, name).expect("an alert");
    rule["expr"].as_str().expect("an expression").to_owned()
}

/// The queue that alerts is the plan's batch; the latency that alerts is the prediction of the average request,
/// held against the middle one, and of the slowest nothing is predicted.
#[test]
fn thresholds_are_the_plans() {
    let plan = Plan::of("13b", "a100-40gb", "vllm");
    let latency = plan.with(Target::Kubernetes, |rollout| rollout.latency);
    let latency = latency.expect("vLLM on an A100 is predicted");
    let thousandth = |value: f64| (value * 1000.0).round() / 1000.0;
    assert!(expression(&plan, "QueueDepth").ends_with("> 2"));
    for (name, limit) in [
        ("FirstToken", latency.first_token),
        ("OutputToken", latency.output_token),
    ] {
        let rule = expression(&plan, name);
        assert!(rule.starts_with("histogram_quantile(0.5,"), "{rule}");
        assert!(
            rule.ends_with(&format!("> {}", thousandth(limit))),
            "{rule}"
        );
        let rule = expression(&plan, &format!("{name}P99"));
        assert!(rule.starts_with("histogram_quantile(0.99,") && rule.contains("offset 1w"));
    }
    // vLLM takes 92% of the card: halfway to all of it.
    assert!(expression(&plan, "DeviceMemory").ends_with("> 0.96"));
    let documents = plan.documents(Target::Kubernetes);
    let board = &of_kind(&documents, "ConfigMap")["data"]["dsk-13b.json"];
    let board: Value = serde_json::from_str(board.as_str().expect("text")).expect("JSON");
    assert_eq!(board["panels"].as_array().expect("panels").len(), 8);

    let unpredicted = Plan::of("33b", "mi350x", "vllm");
    assert_eq!(alert(&unpredicted, "FirstToken"), None);
    assert!(expression(&unpredicted, "FirstTokenP99").contains("offset 1w"));
}

/// A start is no outage, and a server without any pod is one.
#[test]
fn alerts_on_a_server_wait_for_its_start() {
    for (model, gpu) in [("13b", "a100-40gb"), ("v3", "16xh100")] {
        let plan = Plan::of(model, gpu, "vllm");
        let sizes = sizes_of(&plan);
        let seconds = |name: &str| {
            let rule = alert(&plan, name).expect("an alert");
            let text = rule["for"].as_str().expect("a time").to_owned();
            text.trim_end_matches('s').parse::<u64>().expect("seconds")
        };
        assert!(seconds("ServerDown") >= 2 * sizes.next_start);
        assert!(seconds("ServerNotStarted") > 2 * sizes.first_start);
        for name in ["ServerDown", "ServerNotStarted"] {
            assert!(expression(&plan, name).contains("absent(up{"));
        }
        // Before its first answer only the second one may cry.
        assert!(expression(&plan, "ServerDown").contains("max_over_time(up{"));
    }
}

/// Two teams with one name do not count each other's queues, nor one deployment the devices of another whose name
/// begins alike.
#[test]
fn series_are_this_deployments_own() {
    let mut plan = Plan::of("13b", "a100-40gb", "vllm");
    plan.place.namespace = Some("team-a");
    let documents = plan.documents(Target::Kubernetes);
    let trigger = &of_kind(&documents, "ScaledObject")["spec"]["triggers"][0]["metadata"];
    let query = trigger["query"].as_str().expect("a query");
    assert!(query.contains("namespace=\"team-a\""), "{query}");
    for name in [
        "ServerDown",
        "QueueDepth",
        "CacheFull",
        "RequestP99",
        "DeviceMemory",
    ] {
        let rule = expression(&plan, name);
        let selectors = rule.replace("{5}", "").matches('{').count();
        assert_eq!(
            rule.matches("namespace=\"team-a\"").count(),
            selectors,
            "{rule}"
        );
    }
    for (gpu, own, others) in [
        (
            "a100-40gb",
            "dsk-13b-7c9d8f6b5d-x2k4p",
            "dsk-13b-long-7c9d8f6b5d-x2k4p",
        ),
        ("16xh100", "dsk-13b-0-1", "dsk-13b-long-0"),
    ] {
        let rule = expression(&Plan::of("13b", gpu, "vllm"), "DeviceMemory");
        let (_, rest) = rule.split_once("exported_pod=~\"").expect("a pattern");
        let (pattern, _) = rest.split_once('"').expect("its end");
        let matches = |pod: &str| fits(pattern, pod);
        assert!(matches(own) && !matches(others), "{pattern}");
    }
}

/// Whether the pattern of a selector takes a pod, for the two patterns that are written.
fn fits(pattern: &str, pod: &str) -> bool {
    let (name, ending) = pattern.split_at(pattern.find("-[").expect("a class"));
    let Some(rest) = pod
        .strip_prefix(name)
        .and_then(|rest| rest.strip_prefix('-'))
    else {
        return false;
    };
    let parts: Vec<&str> = rest.split('-').collect();
    let all = |part: &str, wanted: fn(&u8) -> bool| {
        !part.is_empty() && part.as_bytes().iter().all(wanted)
    };
    match ending {
        "-[0-9]+(-[0-9]+)?" => {
            parts.len() <= 2 && parts.iter().all(|part| all(part, u8::is_ascii_digit))
        }
        "-[a-z0-9]+-[a-z0-9]{5}" => {
            parts.len() == 2
                && parts[1].len() == 5
                && parts.iter().all(|part| {
                    all(part, |letter| {
                        letter.is_ascii_lowercase() || letter.is_ascii_digit()
                    })
                })
        }
        other => panic!("a pattern nobody checks: {other}"),
    }
}

/// What an installation selects by, and where the autoscaler asks, is the usual or what was said.
#[test]
fn the_installation_can_be_named() {
    let mut plan = Plan::of("13b", "a100-40gb", "vllm");
    for (release, url) in [
        (None, None),
        (Some("watcher"), Some("http://prometheus.example:9090")),
    ] {
        (plan.place.release, plan.place.prometheus) = (release, url);
        let documents = plan.documents(Target::Kubernetes);
        for kind in ["PodMonitor", "PrometheusRule"] {
            let labels = &of_kind(&documents, kind)["metadata"]["labels"];
            assert_eq!(
                labels["release"],
                release.unwrap_or("kube-prometheus-stack")
            );
        }
        let trigger = &of_kind(&documents, "ScaledObject")["spec"]["triggers"][0];
        let usual = "http://prometheus-operated.monitoring.svc:9090";
        assert_eq!(trigger["metadata"]["serverAddress"], url.unwrap_or(usual));
        let manifest = plan.written(Target::Kubernetes).expect("a file");
        let needs = manifest
            .heading
            .iter()
            .find(|line| line.contains("the cluster needs"));
        let needs = needs.expect("what it needs");
        assert!(needs.contains("--prometheus-release") && needs.contains("--prometheus URL"));
    }
    plan.place.release = Some("x\ny");
    assert!(plan.refused(Target::Kubernetes).contains("cannot be"));
}

/// The group's number comes from a variable that older controllers do not set.
#[test]
fn the_controllers_version_is_told() {
    let plan = Plan::of("v3", "16xh100", "vllm");
    let manifest = plan.written(Target::Kubernetes).expect("a file");
    assert!(
        manifest
            .heading
            .iter()
            .any(|line| line.contains("0.6.0 or newer"))
    );
}
