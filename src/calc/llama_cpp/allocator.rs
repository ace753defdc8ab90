//! ggml's memory for a graph: best fit over free blocks, the last of which has no end.
//!
//! Source: `ggml_dyn_tallocr_alloc` and `ggml_dyn_tallocr_free_bytes` in `ggml/src/ggml-alloc.c` of
//! `ggml-org/llama.cpp` 0.5.0-dev (0c1e57098bba).

/// A free stretch of a buffer.
#[derive(Debug, Clone, Copy)]
struct Block {
    offset: u64,
    size: u64,
}

/// A buffer that grows to what a graph needs at its worst moment.
#[derive(Debug)]
pub(super) struct Pool {
    free: Vec<Block>,
    alignment: u64,
    peak: u64,
}

impl Pool {
    /// An empty buffer whose tensors start at multiples of `alignment`.
    pub(super) fn new(alignment: u64) -> Self {
        let mut free = Vec::with_capacity(32);
        free.push(Block {
            offset: 0,
            size: u64::MAX / 2,
        });
        Self {
            free,
            alignment,
            peak: 0,
        }
    }

    /// Bytes that the buffer needs so far.
    pub(super) fn peak(&self) -> u64 {
        self.peak
    }

    fn padded(&self, size: u64) -> u64 {
        size.checked_next_multiple_of(self.alignment)
            .unwrap_or(u64::MAX / 4)
    }

    /// Takes the smallest free block that holds `size`, the endless one last; gives its offset.
    pub(super) fn take(&mut self, size: u64) -> u64 {
        let size = self.padded(size);
        let endless = self.free.len().saturating_sub(1);
        let mut best = endless;
        let mut best_size = u64::MAX;
        // Of equal blocks the last is taken.
        for (index, block) in self.free.iter().take(endless).enumerate().rev() {
            if block.size >= size && block.size < best_size {
                best = index;
                best_size = block.size;
                if best_size == size {
                    break;
                }
            }
        }
        let Some(block) = self.free.get_mut(best) else {
            return 0;
        };
        let offset = block.offset;
        block.offset = block.offset.saturating_add(size);
        block.size = block.size.saturating_sub(size);
        if block.size == 0 && best != endless {
            self.free.remove(best);
        }
        self.peak = self.peak.max(offset.saturating_add(size));
        offset
    }

    /// Gives `size` bytes at `offset` back, joined with free neighbours.
    pub(super) fn give_back(&mut self, offset: u64, size: u64) {
        let size = self.padded(size);
        let next = self.free.partition_point(|block| block.offset < offset);
        let end = offset.saturating_add(size);
        let joins_next = self.free.get(next).is_some_and(|block| block.offset == end);
        let joins_last = next > 0
            && self
                .free
                .get(next - 1)
                .is_some_and(|block| block.offset.saturating_add(block.size) == offset);
        match (joins_last, joins_next) {
            (true, true) => {
                let after = self.free.remove(next);
                self.grow(next - 1, size.saturating_add(after.size));
            }
            (true, false) => self.grow(next - 1, size),
            (false, true) => {
                if let Some(block) = self.free.get_mut(next) {
                    block.offset = offset;
                    block.size = block.size.saturating_add(size);
                }
            }
            (false, false) => self.free.insert(next, Block { offset, size }),
        }
    }

    fn grow(&mut self, index: usize, by: u64) {
        if let Some(block) = self.free.get_mut(index) {
            block.size = block.size.saturating_add(by);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_used_before_the_buffer_grows() {
        let mut pool = Pool::new(32);
        let first = pool.take(100);
        pool.take(64);
        pool.give_back(first, 100);
        assert_eq!(pool.take(96), 0);
        assert_eq!(pool.peak(), 192);
    }
}
