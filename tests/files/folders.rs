//! Folders with a configuration and safetensors.

use std::fs;
use std::path::{Path, PathBuf};

use dsk::catalog::Basis;
use dsk::files::FileKind;
use dsk::units::Bytes;

use super::build::safetensors;
use super::{folder, opened, refused};

const CONFIG: &str = r#"{"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 8, "intermediate_size": 16,
    "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 32,
    "max_position_embeddings": 128, "torch_dtype": "bfloat16"}"#;

type Tensors = Vec<(String, Vec<u64>)>;

fn layer(number: u32) -> Tensors {
    let shapes: [(&str, &[u64]); 9] = [
        ("input_layernorm", &[8]),
        ("self_attn.q_proj", &[8, 8]),
        ("self_attn.k_proj", &[4, 8]),
        ("self_attn.v_proj", &[4, 8]),
        ("self_attn.o_proj", &[8, 8]),
        ("post_attention_layernorm", &[8]),
        ("mlp.gate_proj", &[16, 8]),
        ("mlp.up_proj", &[16, 8]),
        ("mlp.down_proj", &[8, 16]),
    ];
    shapes
        .iter()
        .map(|(name, shape)| {
            (
                format!("model.layers.{number}.{name}.weight"),
                shape.to_vec(),
            )
        })
        .collect()
}

fn ends() -> Tensors {
    let mut tensors = vec![
        ("model.embed_tokens.weight".to_owned(), vec![32, 8]),
        ("model.norm.weight".to_owned(), vec![8]),
        ("lm_head.weight".to_owned(), vec![32, 8]),
    ];
    tensors.extend(layer(0));
    tensors
}

fn write(folder: &Path, name: &str, tensors: &Tensors) -> PathBuf {
    let borrowed: Vec<(&str, &[u64])> = tensors
        .iter()
        .map(|(name, shape)| (name.as_str(), shape.as_slice()))
        .collect();
    let path = folder.join(name);
    fs::write(&path, safetensors(&borrowed)).expect("written");
    path
}

/// A folder with a checkpoint in two files and an index.
fn checkpoint(name: &str) -> PathBuf {
    let folder = folder(name);
    fs::write(folder.join("config.json"), CONFIG).expect("written");
    let files = [
        ("model-00001-of-00002.safetensors", ends()),
        ("model-00002-of-00002.safetensors", layer(1)),
    ];
    let mut map = Vec::new();
    for (file, tensors) in &files {
        write(&folder, file, tensors);
        map.extend(
            tensors
                .iter()
                .map(|(name, _)| format!("\"{name}\": \"{file}\"")),
        );
    }
    let index = format!(
        "{{\"metadata\": {{}}, \"weight_map\": {{{}}}}}",
        map.join(", ")
    );
    fs::write(folder.join("model.safetensors.index.json"), index).expect("written");
    folder
}

#[test]
fn a_folder_is_its_configuration_and_its_tensors() {
    let folder = checkpoint("checkpoint");
    let paths = [
        folder.clone(),
        folder.join("model.safetensors.index.json"),
        folder.join("model-00002-of-00002.safetensors"),
    ];
    for path in paths {
        let model = opened(&path);
        assert_eq!(model.kind, FileKind::Folder);
        assert_eq!(model.model.id, "checkpoint");
        assert_eq!(model.files.len(), 2);
        assert_eq!(
            (model.model.native.as_str(), model.format.as_str()),
            ("bf16", "BF16")
        );
        assert!(
            model.notes.is_empty() && model.model.storage.is_some(),
            "{:?}",
            model.notes
        );
        let weights = model.weights.expect("tensors");
        let placement = weights.placement(2);
        assert_eq!(placement.embedding, Bytes(512));
        assert_eq!(placement.output, Bytes(528));
        assert_eq!(placement.layers, [Bytes(1184), Bytes(1184)]);
        assert_eq!(weights.bytes(), Bytes(512 + 528 + 2 * 1184));
        assert!(model.file_bytes > weights.bytes());
    }
    let alone = opened(&folder.join("config.json"));
    assert_eq!((alone.kind, alone.weights), (FileKind::Config, None));
}

#[test]
fn a_missing_file_is_named() {
    let folder = checkpoint("incomplete");
    fs::remove_file(folder.join("model-00002-of-00002.safetensors")).expect("gone");
    let error = refused(&folder);
    assert!(
        error.contains("`model-00002-of-00002.safetensors`"),
        "{error}"
    );
    fs::remove_file(folder.join("model.safetensors.index.json")).expect("gone");
    let error = refused(&folder);
    assert!(
        error.contains("`model-00002-of-00002.safetensors`"),
        "{error}"
    );
    fs::remove_file(folder.join("model-00001-of-00002.safetensors")).expect("gone");
    assert_eq!(opened(&folder).weights, None);
}

#[test]
fn an_index_may_not_lead_out_of_the_folder() {
    let folder = checkpoint("outside");
    for name in ["../x.safetensors", "/etc/passwd", ""] {
        let index = format!("{{\"weight_map\": {{\"a\": \"{name}\"}}}}");
        fs::write(folder.join("model.safetensors.index.json"), index).expect("written");
        let error = refused(&folder);
        assert!(error.contains("no file of this folder"), "{error}");
    }
}

#[test]
fn tensors_that_the_shape_does_not_explain_are_told() {
    let folder = folder("extra");
    fs::write(folder.join("config.json"), CONFIG).expect("written");
    let mut tensors = ends();
    tensors.extend(layer(1));
    tensors.push(("model.layers.0.extra.weight".to_owned(), vec![3]));
    write(&folder, "model.safetensors", &tensors);
    let model = opened(&folder);
    assert_eq!(model.model.basis, Basis::Modelled);
    assert!(
        model.notes[0].contains("something is in it"),
        "{:?}",
        model.notes
    );
    assert!(model.model.storage.is_none());
}

#[test]
fn the_same_tensor_in_two_files_is_refused() {
    let folder = folder("twice");
    fs::write(folder.join("config.json"), CONFIG).expect("written");
    write(&folder, "a.safetensors", &layer(0));
    write(&folder, "b.safetensors", &layer(0));
    assert!(refused(&folder).contains("twice"));
}

#[test]
fn a_quantization_beside_the_configuration_counts() {
    let folder = checkpoint("modelopt");
    let text = r#"{"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "NVFP4", "group_size": 16}}"#;
    fs::write(folder.join("hf_quant_config.json"), text).expect("written");
    assert_eq!(opened(&folder).model.native, "nvfp4");
    fs::write(
        folder.join("hf_quant_config.json"),
        text.replace("NVFP4", "W3A1"),
    )
    .expect("written");
    assert!(refused(&folder).contains("`W3A1`"));
}
