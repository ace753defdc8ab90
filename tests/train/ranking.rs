//! The ranking by links: PCI Express where there is no NVLink, the network between servers.

use dsk::catalog::Catalog;
use dsk::request::HardwareAsked;
use dsk::train::{Answer, Asked, Framework, Links, Method, train};

use super::{asked, hardware, model};

/// The answer for so many of a device, in Megatron's way.
fn answer(id: &str, devices: (&str, u64), network: Option<f64>) -> Answer {
    let catalog = Catalog::load(&[]).expect("the catalog");
    let hardware = hardware(&catalog, devices, network);
    let question = Asked {
        sequence_tokens: 4096,
        ..asked(Method::Full, Framework::Megatron)
    };
    train(&catalog, &model(id), &question, &hardware).expect("an answer")
}

/// 16 lanes of PCI Express 4.0 where a card has no NVLink; Gbit/s over eight.
#[test]
fn links_are_nvlink_else_pci_express_and_the_network() {
    let catalog = Catalog::load(&[]).expect("the catalog");
    for (gpu, near) in [("rtx-4090", Some(31.5e9)), ("h100-sxm", Some(450e9))] {
        let hardware = hardware(&catalog, (gpu, 8), Some(400.0));
        let links = Links::of(&hardware, hardware.smallest());
        assert_eq!(links.near, near, "{gpu}");
        assert_eq!(links.network, Some(50e9));
    }
}

/// Eight cards that have PCI Express only: tensor parallelism, whose traffic is many times that of a pipeline, is not
/// first there; over NVLink neither is needed.
#[test]
fn pci_express_is_not_free() {
    let first = |gpu| answer("6.7b", (gpu, 8), None).better[0].layout;
    let card = first("rtx-4090");
    assert_eq!(card.tensor, 1, "{}", card.summary());
    assert!(card.pipeline > 1, "{}", card.summary());
}

/// V2-Lite on two servers: the slower the network, the fewer replicas and the less goes to the other server.
#[test]
fn a_slow_network_keeps_traffic_in_the_server() {
    let layouts = |gbps| answer("v2-lite", ("h100-sxm", 16), Some(gbps)).better;
    for plan in layouts(1.0) {
        let layout = plan.layout;
        let inside = layout.expert <= 8 && layout.tensor <= 8;
        assert!(inside, "{}", layout.summary());
    }
    let replicas = |gbps| layouts(gbps)[0].layout.data;
    assert!(replicas(1.0) < replicas(400.0));
}

#[test]
fn what_is_not_known_of_links_is_said() {
    let says = |notes: &[String], word: &str| notes.iter().any(|note| note.contains(word));
    let network = "the network between servers is not known";
    let of = |count, gbps| answer("6.7b", ("h100-sxm", count), gbps).notes;
    assert!(says(&of(16, None), network));
    assert!(!says(&of(16, Some(400.0)), network));
    assert!(!says(&of(8, None), network));
    assert!(!says(&of(1, None), "server"));
    let catalog = Catalog::load(&[]).expect("the catalog");
    let bare = HardwareAsked {
        vram_gb: Some(80.0),
        count: Some(2),
        ..HardwareAsked::default()
    };
    let bare = bare.resolve(&catalog).expect("hardware").expect("given");
    let question = asked(Method::Full, Framework::Megatron);
    let found = train(&catalog, &model("1.3b"), &question, &bare).expect("an answer");
    let link = "the link between the devices is not known";
    assert!(says(&found.notes, link) && !says(&of(8, None), link));
}
