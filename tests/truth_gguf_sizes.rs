//! Sizes of GGUF files that others published, held against the mixes' tensors.
//!
//! Left out: mixes that a publisher chose tensor by tensor (Unsloth's dynamic ones, `ik_llama.cpp`'s repacked ones), and
//! a V3-0324 of 672.050 B parameters that holds the expansion both fused and split.

use dsk::calc::gguf::{BlockType, FileType};
use dsk::calc::mix::{LatentLayout, Mix, file_bytes, gguf_tensors};
use dsk::catalog::Catalog;
use dsk::units::Bytes;

/// A published file.
#[derive(serde::Deserialize)]
struct Row {
    model: String,
    r#type: String,
    quantizer: String,
    expansion: String,
    size: String,
    unit: String,
    source: String,
}

fn rows() -> Vec<Row> {
    csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .from_reader(include_str!("data/gguf-sizes.csv").as_bytes())
        .deserialize()
        .map(|row| row.expect("a row"))
        .collect()
}

/// The mix of a name; a publisher's `_L` and `_XL` keep embedding and head in 8 bits.
fn mix(row: &Row) -> Mix {
    let (name, is_large) = match row.r#type.as_str() {
        "Q3_K_XL" => ("Q3_K_L", true),
        "Q4_K_L" => ("Q4_K_M", true),
        "Q5_K_L" => ("Q5_K_M", true),
        name => (name, false),
    };
    let kept = is_large.then_some(BlockType::Q8_0);
    Mix {
        imatrix: row.quantizer == "imatrix",
        embedding: kept,
        output: kept,
        ..Mix::of(FileType::from_name(name).unwrap_or_else(|| panic!("`{name}`")))
    }
}

/// Bytes of the tensors, and how many tensors there are.
fn tensors(catalog: &Catalog, row: &Row) -> (Bytes, u64) {
    let shape = catalog.model(&row.model).expect("a model").shape;
    let layout = if row.expansion == "fused" {
        LatentLayout::MultiHead
    } else {
        LatentLayout::Absorbed
    };
    let list = gguf_tensors(&shape, layout);
    let count = list
        .iter()
        .map(|tensor| u64::from(tensor.layers.end - tensor.layers.start))
        .sum();
    (file_bytes(&shape, &list, mix(row)), count)
}

/// The printed size, and half of its last digit.
fn printed(row: &Row) -> (f64, f64) {
    let unit = match row.unit.as_str() {
        "B" => 1.0,
        "GB" => 1e9,
        "GiB" => 1_073_741_824.0,
        other => panic!("`{other}`"),
    };
    let digits = row
        .size
        .split_once('.')
        .map_or(0, |(_, decimals)| decimals.len());
    let digits = i32::try_from(digits).expect("few digits");
    let size: f64 = row.size.parse().expect("a number");
    (size * unit, 0.5 * unit * 10f64.powi(-digits))
}

/// The tensors alone are within 0.07 %, what the last digit hides left aside; a header is up to 8 MB.
#[test]
fn published_files_are_within_seven_ten_thousandths() {
    let catalog = Catalog::load(&[]).expect("the embedded catalog is sound");
    let mut off = Vec::new();
    for row in rows().iter().filter(|row| row.unit != "B") {
        let (bytes, _) = tensors(&catalog, row);
        let (size, half) = printed(row);
        let beyond = ((bytes.as_f64() - size).abs() - half).max(0.0) / size;
        if beyond > 0.000_7 {
            off.push(format!(
                "{} {} {beyond:.5} {}",
                row.model, row.r#type, row.source
            ));
        }
    }
    assert!(off.is_empty(), "{off:#?}");
}

/// What a file holds beside tensors is its vocabulary and one entry a tensor: all files of Qwen2.5's vocabulary agree.
#[test]
fn files_of_one_vocabulary_leave_the_same_rest() {
    const ENTRY_BYTES: f64 = 56.0;
    let catalog = Catalog::load(&[]).expect("the embedded catalog is sound");
    let rests: Vec<f64> = rows()
        .iter()
        .filter(|row| row.unit == "B" && row.model.contains("qwen"))
        .map(|row| {
            let (bytes, tensors) = tensors(&catalog, row);
            let entries = ENTRY_BYTES * Bytes(tensors).as_f64();
            printed(row).0 - bytes.as_f64() - entries
        })
        .collect();
    assert_eq!(rests.len(), 5);
    for rest in &rests {
        assert!((rest - rests[0]).abs() < 3_300.0, "{rests:?}");
    }
}
