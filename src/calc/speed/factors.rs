//! Which of an engine's constants holds for a device, a class of model and a kernel.

use crate::catalog::engine_speed::{Factor, Kernel, ModelClass};
use crate::units::{count, float};

/// What a constant is looked up for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key<'a> {
    /// The device's architecture.
    pub(super) architecture: &'a str,
    /// The class of model.
    pub(super) class: ModelClass,
    /// How linear layers are multiplied.
    pub(super) kernel: Kernel,
}

/// A constant, and whether it was measured on just what it is looked up for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Found {
    /// The constant.
    pub(super) value: f64,
    /// Whether it was measured there.
    pub(super) exact: bool,
}

/// Which differences a look-up forgives.
#[derive(Debug, Clone, Copy)]
struct Forgiven {
    architecture: bool,
    class: bool,
}

/// From the least forgiving to the most.
const STEPS: [Forgiven; 4] = [
    Forgiven {
        architecture: false,
        class: false,
    },
    Forgiven {
        architecture: true,
        class: false,
    },
    Forgiven {
        architecture: false,
        class: true,
    },
    Forgiven {
        architecture: true,
        class: true,
    },
];

/// The constant of `table` for `key`: the one measured there, else the geometric mean of the nearest.
pub(super) fn find(table: &[Factor], key: Key<'_>) -> Option<Found> {
    STEPS.iter().enumerate().find_map(|(step, forgiven)| {
        let near: Vec<f64> = table
            .iter()
            .filter(|factor| holds(factor, key, *forgiven))
            .map(|factor| factor.value.ln())
            .collect();
        let number = float(count(near.len()));
        let value = (near.iter().sum::<f64>() / number).exp();
        (!near.is_empty()).then_some(Found {
            value,
            exact: step == 0,
        })
    })
}

fn holds(factor: &Factor, key: Key<'_>, forgiven: Forgiven) -> bool {
    let architecture = forgiven.architecture
        || factor.on.is_empty()
        || factor.on.iter().any(|on| on == key.architecture);
    let class = forgiven.class || factor.class.is_none_or(|class| class == key.class);
    architecture && class && factor.kernel.is_none_or(|kernel| kernel == key.kernel)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factor(on: &str, class: ModelClass, value: f64) -> Factor {
        Factor {
            on: vec![on.to_owned()],
            class: Some(class),
            kernel: Some(Kernel::Fp8),
            value,
            rows: 1,
            at_limit: false,
        }
    }

    #[test]
    fn another_device_stands_in_before_another_class_does() {
        let table = [
            factor("hopper", ModelClass::Dense, 0.5),
            factor("ada", ModelClass::Dense, 0.125),
            factor("blackwell", ModelClass::Experts, 0.75),
        ];
        let look = |architecture, class, kernel| {
            let key = Key {
                architecture,
                class,
                kernel,
            };
            find(&table, key).map(|found| ((found.value * 1000.0).round(), found.exact))
        };
        let (dense, experts) = (ModelClass::Dense, ModelClass::Experts);
        assert_eq!(look("hopper", dense, Kernel::Fp8), Some((500.0, true)));
        assert_eq!(look("hopper", experts, Kernel::Fp8), Some((750.0, false)));
        assert_eq!(look("turing", dense, Kernel::Fp8), Some((250.0, false)));
        assert_eq!(look("hopper", dense, Kernel::Fp16), None);
    }
}
