//! Least squares by Levenberg and Marquardt's method, with differences for derivatives.

/// Moves `start` to where the sum of squares of `residuals` is least.
pub(crate) fn least_squares(start: &[f64], residuals: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    const STEP: f64 = 1e-4;
    let mut at = start.to_vec();
    let mut now = residuals(&at);
    let mut damping = 1e-2;
    for _ in 0..60 {
        let slopes: Vec<Vec<f64>> = (0..at.len())
            .map(|index| {
                let mut moved = at.clone();
                moved[index] += STEP;
                let there = residuals(&moved);
                there
                    .iter()
                    .zip(&now)
                    .map(|(a, b)| (a - b) / STEP)
                    .collect()
            })
            .collect();
        let before = dot(&now, &now);
        let mut better = None;
        while better.is_none() && damping < 1e8 {
            let step = solve(&slopes, &now, damping);
            let tried: Vec<f64> = at
                .iter()
                .zip(&step)
                .map(|(a, s)| a - s.clamp(-1.0, 1.0))
                .collect();
            let there = residuals(&tried);
            if dot(&there, &there) < before {
                better = Some((tried, there));
                damping /= 4.0;
            } else {
                damping *= 4.0;
            }
        }
        let Some((tried, there)) = better else {
            return at;
        };
        let gain = 1.0 - dot(&there, &there) / before;
        (at, now) = (tried, there);
        if gain < 1e-5 {
            break;
        }
    }
    at
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Solves the damped normal equations by Cholesky's method.
fn solve(slopes: &[Vec<f64>], residuals: &[f64], damping: f64) -> Vec<f64> {
    let size = slopes.len();
    let mut lower = vec![vec![0.0; size]; size];
    for row in 0..size {
        for column in 0..=row {
            let mut entry = dot(&slopes[row], &slopes[column]);
            if row == column {
                entry += damping * entry + 1e-9;
            }
            let known: f64 = dot(&lower[row][..column], &lower[column][..column]);
            lower[row][column] = if row == column {
                (entry - known).max(1e-12).sqrt()
            } else {
                (entry - known) / lower[column][column]
            };
        }
    }
    let mut forward = vec![0.0; size];
    for row in 0..size {
        let known = dot(&lower[row][..row], &forward[..row]);
        forward[row] = (dot(&slopes[row], residuals) - known) / lower[row][row];
    }
    let mut back = vec![0.0; size];
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size)
            .map(|below| lower[below][row] * back[below])
            .sum();
        back[row] = (forward[row] - known) / lower[row][row];
    }
    back
}
