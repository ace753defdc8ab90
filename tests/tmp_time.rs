use dsk::calc::llama_cpp::compute::{Part, buffers};
use dsk::calc::llama_cpp::{Backend, Settings};
use dsk::catalog::Catalog;
use dsk::units::Tokens;
#[test]
fn time() {
    let catalog = Catalog::load(&[]).unwrap();
    for id in ["deepseek-llm-7b", "deepseek-v3", "deepseek-v3.2", "deepseek-v4-flash", "deepseek-v4-pro"] {
        let shape = catalog.model(id).unwrap().shape;
        for backend in [Backend::Cpu, Backend::Cuda] {
            let s = Settings::of(Tokens(16384));
            let t = std::time::Instant::now();
            let mut x = None;
            for _ in 0..1000 { x = buffers(&shape, &s, backend, Part::WHOLE); }
            println!("{id} {backend:?} {:?} {x:?}", t.elapsed() / 1000);
        }
    }
}
