//! Why a candidate stands where it stands, in words.

use super::Candidate;
use crate::calc::availability::Availability;
use crate::calc::speed::Speed;
use crate::catalog::Basis;
use crate::catalog::variant::Match;
use crate::request::traffic::Seconds;

/// Why a candidate stands where it stands.
pub(super) fn reasons(found: &Candidate) -> Vec<String> {
    let mut why = Vec::new();
    why.extend(found.estimate.spare_words());
    why.push(match &found.model.checkpoint {
        Some(weights) => match weights.matching {
            Match::Exact => match found.availability {
                Availability::Ready => format!("weights can be downloaded: {}", weights.repo),
                Availability::Made | Availability::Paper => format!(
                    "weights must be made of {}: nobody is known to publish them in {}",
                    weights.repo, found.format.name
                ),
            },
            Match::Nearest => {
                format!(
                    "no weights of this size exist; the nearest are {}",
                    weights.repo
                )
            }
        },
        None => "weights are a file of yours".to_owned(),
    });
    why.push(accuracy_reason(found));
    why.extend(speed_reason(&found.speed));
    if found.speed.basis == Basis::Assumed {
        why.extend(found.speed.notes.iter().cloned());
    }
    why
}

fn speed_reason(speed: &Speed) -> Option<String> {
    let token = speed.time_per_output_token?;
    let bound = speed
        .bound
        .map_or_else(String::new, |bound| format!(", bound by {}", bound.word()));
    let first = speed.time_to_first_token.map_or_else(String::new, |first| {
        format!("; {} to the first", Seconds(first.value))
    });
    Some(format!(
        "{} per output token ({} to {}){bound}{first}: {}",
        Seconds(token.value),
        Seconds(token.low),
        Seconds(token.high),
        speed.basis.word()
    ))
}

fn accuracy_reason(found: &Candidate) -> String {
    let accuracy = found.accuracy;
    let from = match accuracy.basis {
        Basis::Claimed => "by the article's tier",
        Basis::Exact | Basis::Measured | Basis::Modelled | Basis::Assumed => {
            "from its vendor's benchmark scores, on the article's scale"
        }
    };
    let format = &found.format.name;
    match accuracy.loss.zip(accuracy.expected) {
        Some((loss, expected)) if loss > 0.0 => format!(
            "accuracy {expected:.1} expected: {:.1} {from}, less {:.2}% by {format}",
            accuracy.model,
            loss * 100.0
        ),
        Some(_) => format!(
            "accuracy {:.1} {from}, nothing lost by {format}",
            accuracy.model
        ),
        None => format!(
            "accuracy not known: {:.1} {from}, and what {format} costs of it nobody published",
            accuracy.model
        ),
    }
}
