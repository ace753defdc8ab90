//! Which of an engine's constants holds for a device, a class of model and a kernel.

use crate::catalog::engine_speed::{Factor, Kernel, Measured, ModelClass};

/// What a constant is looked up for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key<'a> {
    /// The device's architecture.
    pub(super) architecture: &'a str,
    /// The device's id.
    pub(super) device: &'a str,
    /// The class of model.
    pub(super) class: ModelClass,
    /// How linear layers are multiplied.
    pub(super) kernel: Kernel,
    /// Whether the cache is kept in fewer than 16 bits.
    pub(super) narrow_cache: bool,
}

/// The constant of `table` for `key`: the product of what holds for it, if that begins with a constant for all devices.
pub(super) fn find(table: &[Factor], key: Key<'_>) -> Option<f64> {
    let holding = table
        .iter()
        .filter(|factor| holds(key, (&factor.on, factor.class, factor.kernel)))
        .filter(|factor| key.narrow_cache || !factor.narrow_cache);
    let (mut value, mut founded) = (1.0, false);
    for factor in holding {
        value *= factor.value;
        founded |= factor.on.is_empty();
    }
    founded.then_some(value)
}

/// Whether the constants were measured on such a device with such a model.
pub(super) fn measured(table: &[Measured], key: Key<'_>) -> bool {
    table
        .iter()
        .any(|row| holds(key, (&row.on, row.class, row.kernel)))
}

fn holds(
    key: Key<'_>,
    (on, class, kernel): (&[String], Option<ModelClass>, Option<Kernel>),
) -> bool {
    (on.is_empty()
        || on
            .iter()
            .any(|on| on == key.architecture || on == key.device))
        && class.is_none_or(|class| class == key.class)
        && kernel.is_none_or(|kernel| kernel == key.kernel)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factor(on: &[&str], kernel: Option<Kernel>, value: f64) -> Factor {
        Factor {
            on: on.iter().map(|on| (*on).to_owned()).collect(),
            class: None,
            kernel,
            narrow_cache: false,
            value,
        }
    }

    fn key(architecture: &str, kernel: Kernel) -> Key<'_> {
        Key {
            architecture,
            device: "x",
            class: ModelClass::Dense,
            kernel,
            narrow_cache: false,
        }
    }

    #[test]
    fn parts_that_hold_are_multiplied() {
        let table = [
            factor(&[], None, 0.5),
            factor(&["hopper"], None, 1.5),
            factor(&[], Some(Kernel::Fp4), 0.5),
        ];
        let look = |architecture, kernel| {
            find(&table, key(architecture, kernel)).map(|value| (value * 1000.0).round())
        };
        assert_eq!(look("hopper", Kernel::Fp8), Some(750.0));
        assert_eq!(look("hopper", Kernel::Fp4), Some(375.0));
        assert_eq!(look("turing", Kernel::Fp8), Some(500.0));
    }

    #[test]
    fn a_part_for_narrow_caches_holds_for_them_only() {
        let mut table = [factor(&[], None, 0.5), factor(&["hopper"], None, 0.5)];
        table[1].narrow_cache = true;
        let wide = key("hopper", Kernel::Fp8);
        let narrow = Key {
            narrow_cache: true,
            ..wide
        };
        assert_eq!(find(&table, wide), Some(0.5));
        assert_eq!(find(&table, narrow), Some(0.25));
    }

    #[test]
    fn what_has_no_constant_for_all_devices_is_not_known() {
        let table = [
            factor(&["hopper"], None, 1.5),
            factor(&[], Some(Kernel::Blocks), 0.5),
        ];
        assert_eq!(find(&table, key("hopper", Kernel::Fp16)), None);
        assert!(find(&table, key("hopper", Kernel::Blocks)).is_some());
    }
}
