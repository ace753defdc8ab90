//! Tensors of the vision towers, which the text decoder does not need.

use std::ops::Range;

use super::{List, Role, Section};
use crate::catalog::shape::{ClipTower, SamTower, Vision};

/// Colour channels of an image.
const COLOURS: u64 = 3;

/// Adds the tower and what joins it to a decoder of width `hidden`.
pub(super) fn add(list: &mut List, vision: &Vision, hidden: u64) {
    list.section = Section::Vision;
    match vision {
        Vision::Vit { .. } => add_vit(list, vision, hidden),
        Vision::SamClip { sam, clip } => {
            add_sam(list, sam);
            add_clip(list, *clip);
            add_linear(list, once(1), (hidden, clip.joined));
            vectors(list, once(1), (2, hidden));
        }
    }
    list.section = Section::Main;
}

fn once(times: u64) -> Times {
    Times(times)
}

/// How often a group of tensors occurs.
#[derive(Clone, Copy)]
struct Times(u64);

const ONCE: Range<u32> = 0..1;

fn matrix(list: &mut List, times: Times, shape: (u64, u64)) {
    list.add_copies(Role::Vision, &ONCE, times.0, shape);
}

fn vectors(list: &mut List, times: Times, (copies, width): (u64, u64)) {
    list.add_copies(Role::Vision, &ONCE, times.0 * copies, (1, width));
}

/// A matrix with a bias.
fn add_linear(list: &mut List, times: Times, (rows, columns): (u64, u64)) {
    matrix(list, times, (rows, columns));
    vectors(list, times, (1, rows));
}

/// Source: NVIDIA-NeMo/Automodel `deepseek_v4/vision.py`, its port of the vendor's.
fn add_vit(list: &mut List, vision: &Vision, text_hidden: u64) {
    let Vision::Vit {
        layers,
        hidden,
        intermediate,
        patch,
        downsample,
        markers,
    } = vision
    else {
        return;
    };
    let (one, blocks) = (once(1), once(*layers));
    add_linear(list, one, (*hidden, COLOURS * patch * patch));
    vectors(list, blocks, (2, *hidden));
    add_linear(list, blocks, (3 * hidden, *hidden));
    add_linear(list, blocks, (*hidden, *hidden));
    matrix(list, blocks, (2 * intermediate, *hidden));
    matrix(list, blocks, (*hidden, *intermediate));
    vectors(list, one, (1, *hidden));
    let joined = hidden * downsample * downsample;
    add_linear(list, one, (text_hidden, joined));
    add_linear(list, one, (text_hidden, text_hidden));
    vectors(list, one, (*markers, text_hidden));
}

/// Blocks of a classic transformer encoder: two layer norms, joint projection, output, two-layer
/// network four times as wide, all with biases.
fn add_encoder(list: &mut List, blocks: Times, hidden: u64) {
    vectors(list, blocks, (4, hidden));
    add_linear(list, blocks, (3 * hidden, hidden));
    add_linear(list, blocks, (hidden, hidden));
    add_linear(list, blocks, (4 * hidden, hidden));
    add_linear(list, blocks, (hidden, 4 * hidden));
}

fn add_sam(list: &mut List, sam: &SamTower) {
    let (one, hidden) = (once(1), sam.hidden);
    let side = sam.image / sam.patch.max(1);
    add_linear(list, one, (hidden, COLOURS * sam.patch * sam.patch));
    matrix(list, one, (side * side, hidden));
    add_encoder(list, once(sam.layers), hidden);
    let head_size = hidden / sam.heads.max(1);
    let windowed = sam.layers.saturating_sub(sam.global_layers);
    for (layers, reach) in [(sam.global_layers, side), (windowed, sam.window)] {
        let positions = (2 * reach).saturating_sub(1);
        matrix(list, once(2 * layers), (positions, head_size));
    }
    matrix(list, one, (sam.neck, hidden));
    matrix(list, one, (sam.neck, 9 * sam.neck));
    vectors(list, one, (4, sam.neck));
    let mut channels = sam.neck;
    for next in &sam.channels {
        matrix(list, one, (*next, 9 * channels));
        channels = *next;
    }
}

fn add_clip(list: &mut List, clip: ClipTower) {
    let (one, hidden) = (once(1), clip.hidden);
    let side = clip.image / clip.patch.max(1);
    matrix(list, one, (hidden, COLOURS * clip.patch * clip.patch));
    vectors(list, one, (1, hidden));
    matrix(list, one, (side * side + 1, hidden));
    vectors(list, one, (2, hidden));
    add_encoder(list, once(clip.layers), hidden);
}
