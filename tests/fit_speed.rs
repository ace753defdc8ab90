//! Fits the constants of the speed model and says how far they carry: `cargo test --test fit_speed -- --ignored --nocapture`.
//!
//! Prints, for each engine, errors in the fit, on the half that was not fitted, and with a whole model, device
//! and group left out; then the `[speed]` table of its catalog entry.

#![expect(clippy::print_stdout, reason = "the report")]

mod fit;
#[expect(dead_code, reason = "tests/truth_speed.rs asks for the rest")]
mod speed_rows;

use dsk::catalog::Catalog;
use fit::Engine;

#[test]
#[ignore = "a fit, not a check: it takes a minute"]
fn fit_every_engine() {
    let catalog = Catalog::load(&[]).expect("the embedded catalog is sound");
    let (sglang, vllm): (Vec<_>, Vec<_>) = speed_rows::served()
        .into_iter()
        .partition(|row| row.engine == "sglang");
    let llama = [speed_rows::llama_cpp_boards(), speed_rows::llama_cpp_h200()].concat();
    let vllm = [vllm, speed_rows::vllm_h200()].concat();
    let fitted = Engine::of(&catalog, "vllm", &vllm).report();
    Engine::of(&catalog, "sglang", &sglang)
        .starting_as(&fitted)
        .report();
    Engine::of(&catalog, "llama.cpp", &llama).report();
}
