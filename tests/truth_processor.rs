//! What dense models reach of a processor's memory bandwidth in llama.cpp, against published runs.

use dsk::catalog::Catalog;
use dsk::catalog::engine_speed::{HostMemory, ModelClass};

/// How far the catalog's figure may be rounded.
const ROUNDING: f64 = 0.005;

/// The share of the bandwidth that each published run reached, the smallest first.
fn shares() -> Vec<f64> {
    let text = include_str!("data/speed-llamacpp-processors.csv");
    let mut reader = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .from_reader(text.as_bytes());
    let mut shares: Vec<f64> = reader
        .records()
        .map(|record| {
            let record = record.expect("a row");
            let number = |column: usize| record[column].parse::<f64>().expect("a number");
            number(4) * number(5) / (number(1) * 1e9)
        })
        .collect();
    shares.sort_by(f64::total_cmp);
    shares
}

fn dense() -> HostMemory {
    let catalog = Catalog::load(&[]).expect("a catalog");
    let engines = catalog.engines().expect("engines");
    let engine = engines.iter().find(|engine| engine.id == "llama.cpp");
    let speed = engine.and_then(|engine| engine.speed.as_ref());
    let host = speed.and_then(|speed| speed.host(ModelClass::Dense));
    host.expect("a share").clone()
}

#[test]
fn the_share_is_the_median_of_what_was_measured() {
    let shares = shares();
    assert_eq!(shares.len(), 8);
    let middle = f64::midpoint(shares[3], shares[4]);
    let own = dense().share;
    assert!((own - middle).abs() < ROUNDING, "{own} against {middle}");
}

#[test]
fn the_range_reaches_from_all_of_it_to_the_least_that_was_measured() {
    let (host, shares) = (dense(), shares());
    let [low, high] = host.range;
    assert!((low - host.share).abs() < ROUNDING, "all of the bandwidth");
    let slowest = host.share / shares[0];
    assert!((high - slowest).abs() < 0.01, "{high} against {slowest}");
}
