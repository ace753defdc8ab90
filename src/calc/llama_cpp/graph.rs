//! A compute graph as llama.cpp builds it, reduced to what its memory depends on.
//!
//! Source: `ggml_gallocr_alloc_graph_impl` and `ggml_gallocr_allocate_node` in `ggml/src/ggml-alloc.c`, and
//! `ggml_backend_sched_split_graph` in `ggml/src/ggml-backend.cpp`, of `ggml-org/llama.cpp` 0.5.0-dev (0c1e57098bba).

use std::num::NonZeroU32;

use super::allocator::Pool;
use super::backend::Backend;
use crate::units::Bytes;

/// A tensor of the graph, or another shape of it: its place in the order plus one, so that none takes no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id(NonZeroU32);

/// The bit of an [`Id`] that tells a view from the tensor that it shows.
const VIEW: u32 = 1 << 31;

impl Id {
    /// The tensor at `index`; no graph has billions of them.
    fn at(index: usize) -> Self {
        let place = u32::try_from(index).unwrap_or(VIEW).saturating_add(1);
        Self(NonZeroU32::new(place).unwrap_or(NonZeroU32::MIN))
    }

    fn index(self) -> usize {
        crate::units::index(u64::from(self.0.get() & !VIEW) - 1)
    }

    fn is_view(self) -> bool {
        self.0.get() & VIEW != 0
    }
}

/// Which memory holds a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Host,
    Device,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Set before the graph runs; all inputs are allocated first.
    Input,
    /// Computed from its sources.
    Operation,
    /// Stores its sources in the cache.
    Store,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    size: u64,
    /// Where it lies while the allocator holds it.
    offset: Option<u64>,
    sources: [Option<Id>; 4],
    /// Sources of the same layout, over which the result may be written, in order.
    reusable: [Option<Id>; 2],
    /// Operations that have not read it yet, directly or through views.
    readers: u32,
    kind: Kind,
    place: Place,
    /// Outputs of the graph are never freed.
    is_output: bool,
}

/// Collects tensors in the order in which llama.cpp computes them.
#[derive(Debug)]
pub(super) struct Recorder {
    nodes: Vec<Node>,
    place: Place,
    /// Copies of every input on a GPU.
    copies: u64,
}

/// Copies of the inputs when micro-batches follow each other over GPUs (`GGML_SCHED_MAX_COPIES`).
const PIPELINE_COPIES: u64 = 4;

/// Bytes of the buffers that a graph needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Buffers {
    /// In the processor's memory.
    pub host: Bytes,
    /// In a GPU's memory.
    pub device: Bytes,
}

/// The first four of `sources`: no operation that llama.cpp allocates for has more tensors of its own.
fn four(sources: &[Id]) -> [Option<Id>; 4] {
    let mut all = [None; 4];
    for (slot, source) in all.iter_mut().zip(sources) {
        *slot = Some(*source);
    }
    all
}

impl Recorder {
    /// A graph whose layers run on `backend`, several of them in turn when `pipelined`.
    pub(super) fn new(backend: Backend, pipelined: bool) -> Self {
        Self {
            nodes: Vec::with_capacity(1024),
            copies: if pipelined { PIPELINE_COPIES } else { 1 },
            place: match backend {
                Backend::Cpu => Place::Host,
                Backend::Cuda => Place::Device,
            },
        }
    }

    /// Makes room for so many more tensors.
    pub(super) fn reserve(&mut self, tensors: usize) {
        self.nodes.reserve(tensors);
    }

    fn add(&mut self, kind: Kind, size: u64, sources: &[Id]) -> Id {
        for source in sources {
            if let Some(node) = self.nodes.get_mut(source.index()) {
                node.readers += 1;
            }
        }
        let place = self.place;
        self.nodes.push(Node {
            size,
            offset: None,
            sources: four(sources),
            reusable: [None; 2],
            readers: 0,
            kind,
            place,
            is_output: false,
        });
        Id::at(self.nodes.len() - 1)
    }

    /// A tensor of `size` bytes that is set before the graph runs.
    pub(super) fn input(&mut self, size: u64) -> Id {
        let id = self.add(Kind::Input, size, &[]);
        self.put_on_host(id);
        id
    }

    /// A tensor that is allocated first as well, but beside the layers.
    pub(super) fn scratch(&mut self, size: u64) -> Id {
        self.add(Kind::Input, size, &[])
    }

    /// The result of an operation, of `size` bytes.
    pub(super) fn operation(&mut self, size: u64, sources: &[Id]) -> Id {
        self.add(Kind::Operation, size, sources)
    }

    /// As [`Recorder::operation`], computed by the processor in any case.
    pub(super) fn on_host(&mut self, size: u64, sources: &[Id]) -> Id {
        let id = self.operation(size, sources);
        self.put_on_host(id);
        id
    }

    fn put_on_host(&mut self, id: Id) {
        if let Some(node) = self.nodes.get_mut(id.index()) {
            node.place = Place::Host;
        }
    }

    /// The result of an operation that may overwrite its first source, or one of several of the same layout.
    pub(super) fn over(&mut self, size: u64, sources: &[Id], same_layout: &[Id]) -> Id {
        let id = self.operation(size, sources);
        if let Some(node) = self.nodes.get_mut(id.index()) {
            for (slot, source) in node.reusable.iter_mut().zip(same_layout) {
                *slot = Some(*source);
            }
        }
        id
    }

    /// A norm, an activation, a rotation: an operation over one tensor of the same layout.
    pub(super) fn onto(&mut self, tensor: Id) -> Id {
        let size = self.size(tensor);
        self.over(size, &[tensor], &[tensor])
    }

    /// Another shape of `tensor`: reading it reads the tensor, but nothing is written over it.
    #[expect(clippy::unused_self, reason = "views are recorded as operations are")]
    pub(super) fn view(&mut self, tensor: Id) -> Id {
        Id(tensor.0 | VIEW)
    }

    /// A view of `tensor` that `sources` are written to.
    pub(super) fn view_after(&mut self, tensor: Id, sources: &[Id]) -> Id {
        self.store(sources);
        self.view(tensor)
    }

    /// Stores `sources` in memory that the graph does not own.
    pub(super) fn store(&mut self, sources: &[Id]) {
        self.add(Kind::Store, 0, sources);
    }

    /// On a GPU, keeps `tensors` until here, because one kernel computes all since the first of them.
    pub(super) fn hold(&mut self, tensors: &[Id]) {
        if self.place == Place::Device {
            for four in tensors.chunks(4) {
                self.store(four);
            }
        }
    }

    /// What the layers read of a tensor in the processor's memory: itself, or a copy on the GPU.
    pub(super) fn import(&mut self, tensor: Id) -> Id {
        match self.place {
            Place::Host => tensor,
            Place::Device => {
                self.store(&[tensor]);
                let size = self.size(tensor);
                if self.copies == 1 {
                    return self.operation(size, &[]);
                }
                let copy = self.scratch(size);
                self.keep(copy);
                for _ in 1..self.copies {
                    let next = self.scratch(size);
                    self.keep(next);
                }
                copy
            }
        }
    }

    /// Marks what the caller reads after the graph has run.
    pub(super) fn keep(&mut self, tensor: Id) {
        if let Some(node) = self.nodes.get_mut(tensor.index()) {
            node.is_output = true;
        }
    }

    /// Bytes of a tensor.
    pub(super) fn size(&self, tensor: Id) -> u64 {
        self.nodes.get(tensor.index()).map_or(0, |node| node.size)
    }

    /// Runs the allocator over the graph.
    pub(super) fn buffers(self) -> Buffers {
        let mut run = Run {
            nodes: self.nodes,
            host: Pool::new(Backend::Cpu.alignment()),
            device: Pool::new(Backend::Cuda.alignment()),
        };
        run.allocate_all(true);
        run.allocate_all(false);
        Buffers {
            host: Bytes(run.host.peak()),
            device: Bytes(run.device.peak()),
        }
    }
}

/// The allocator at work.
struct Run {
    nodes: Vec<Node>,
    host: Pool,
    device: Pool,
}

impl Run {
    /// Allocates all inputs, or else computes everything in order.
    fn allocate_all(&mut self, inputs: bool) {
        for index in 0..self.nodes.len() {
            let Some(node) = self.nodes.get(index).copied() else {
                return;
            };
            if (node.kind == Kind::Input) == inputs {
                self.allocate(index, &node);
                for source in node.sources.iter().flatten() {
                    self.release(*source);
                }
            }
        }
    }

    fn pool(&mut self, place: Place) -> &mut Pool {
        match place {
            Place::Host => &mut self.host,
            Place::Device => &mut self.device,
        }
    }

    fn allocate(&mut self, index: usize, node: &Node) {
        if node.kind == Kind::Store {
            return;
        }
        let taken_over = node
            .reusable
            .iter()
            .flatten()
            .find_map(|source| self.take_over(*source));
        let offset = match taken_over {
            Some(offset) => offset,
            None => self.pool(node.place).take(node.size),
        };
        if let Some(node) = self.nodes.get_mut(index) {
            node.offset = Some(offset);
        }
    }

    /// The memory of `source`, when nothing else will read it; what views show is never taken over.
    fn take_over(&mut self, source: Id) -> Option<u64> {
        let node = self.nodes.get_mut(source.index())?;
        if node.is_output || source.is_view() || node.readers != 1 {
            return None;
        }
        node.offset.take()
    }

    /// One reader less; frees the tensor after the last.
    fn release(&mut self, source: Id) {
        let Some(node) = self.nodes.get_mut(source.index()) else {
            return;
        };
        node.readers = node.readers.saturating_sub(1);
        if node.readers > 0 || node.is_output {
            return;
        }
        if let Some(offset) = node.offset.take() {
            let (place, size) = (node.place, node.size);
            self.pool(place).give_back(offset, size);
        }
    }
}
