//! `dsk plan --target` for people.

use super::plan::split;
use super::started;
use crate::calc::availability::Availability;
use crate::calc::speed::Range;
use crate::deploy::Start;
use crate::plan::Wish;
use crate::plan::target::{Offer, Offers, Target};
use crate::render::report::{Align, Report, Table};
use crate::request::Request;
use crate::request::traffic::Seconds;

/// Devices that do not serve which the table names before it only counts them.
const REJECTIONS_SHOWN: usize = 4;

/// The report of a search for hardware; `starts` stand beside its rows.
#[must_use]
pub fn plan_target(
    answer: &Offers,
    (request, wish, target, limit): (&Request, &Wish, &Target, usize),
    starts: &[Start],
) -> Report {
    let mut report = Report::default();
    report.heading(title(request, wish, target));
    let (priced, unpriced): (Vec<&Offer>, Vec<&Offer>) = answer
        .offers
        .iter()
        .partition(|offer| offer.usd_per_hour.is_some());
    if answer.offers.is_empty() {
        report.text("Nothing in the catalog meets it.");
    }
    if !priced.is_empty() {
        report.table(table(&priced, (wish, limit)));
        report.text(legend(&priced, limit));
    }
    if let (Some(best), Some(start)) = (answer.offers.first(), starts.first()) {
        report.heading(format!("Run {} x {}", best.count, best.gpu));
        started(&mut report, start);
    }
    if !unpriced.is_empty() {
        report.heading("No sourced price, fewest and smallest first");
        report.table(table(&unpriced, (wish, limit)));
        report.text(legend(&unpriced, limit));
    }
    if !answer.rejected.is_empty() {
        report.heading("Not enough, the nearest first");
        report.list(rejections(answer));
    }
    report
}

fn title(request: &Request, wish: &Wish, target: &Target) -> String {
    let demand = |name: &str, limit: Option<f64>| {
        limit.map(|limit| format!("{name} below {}", Seconds(limit)))
    };
    let mut words: Vec<String> = [
        demand("TTFT", target.demands.first_token),
        demand("TPOT", target.demands.output_token),
    ]
    .into_iter()
    .flatten()
    .collect();
    if let Some(clients) = wish.traffic.concurrency {
        words.push(format!("{clients} clients"));
    }
    format!(
        "{}: {}; {} tokens in, {} out",
        request.model.id,
        words.join(", "),
        wish.traffic.input,
        wish.traffic.output
    )
}

fn table(offers: &[&Offer], (wish, limit): (&Wish, usize)) -> Table {
    let mut table = Table::new(&[
        ("#", Align::Right),
        ("hardware", Align::Left),
        ("$/h", Align::Right),
        ("engine", Align::Left),
        ("format", Align::Left),
        ("split", Align::Left),
        ("TTFT", Align::Right),
        ("TPOT", Align::Right),
    ]);
    let first = kind(offers.first());
    for (offer, rank) in offers.iter().zip(1..).take(limit) {
        let other_kind = offer.price.is_some() && kind(Some(offer)) != first;
        table.rows.push(row(offer, (rank, other_kind), wish));
    }
    table
}

/// What the price of an offer pays for.
fn kind<'a>(offer: Option<&&'a Offer>) -> Option<&'a str> {
    let price = offer?.price.as_ref()?;
    Some(price.kind.as_str())
}

fn row(offer: &Offer, (rank, other_kind): (u64, bool), wish: &Wish) -> Vec<String> {
    let plan = &offer.plan;
    let speed = if wish.traffic.concurrency.is_some() || plan.request.sequences > 1 {
        &plan.full.speed
    } else {
        &plan.alone.speed
    };
    let time = |range: Option<Range>| {
        range.map_or_else(|| "-".to_owned(), |range| Seconds(range.value).to_string())
    };
    let engine = plan.request.engine.as_ref();
    vec![
        rank.to_string(),
        format!("{} x {}", offer.count, offer.gpu),
        offer.usd_per_hour.map_or_else(
            || "-".to_owned(),
            |price| format!("{price:.2}{}", if other_kind { "!" } else { "" }),
        ),
        engine.map_or_else(String::new, |engine| engine.name.clone()),
        match offer.availability {
            Availability::Ready => plan.request.format.id.clone(),
            Availability::Made => format!("{} +", plan.request.format.id),
            Availability::Paper => format!("{} *", plan.request.format.id),
        },
        split(plan.request.split),
        time(speed.time_to_first_token),
        time(speed.time_per_output_token),
    ]
}

fn legend(offers: &[&Offer], limit: usize) -> String {
    let hidden = offers.len().saturating_sub(limit);
    let price = offers.first().and_then(|offer| offer.price.as_ref());
    let mut parts = Vec::new();
    if let Some(price) = price {
        parts.push(format!("prices: {} of {} first", price.kind, price.date));
        let first = kind(offers.first());
        let other = offers
            .iter()
            .take(limit)
            .find(|offer| kind(Some(offer)) != first);
        if let Some(other) = other.and_then(|offer| offer.price.as_ref()) {
            parts.push(format!(
                "! {}, not to be compared with those above",
                other.kind
            ));
        }
    }
    if hidden > 0 {
        parts.push(format!("{hidden} more with --limit"));
    }
    let shown = |wanted: Availability| {
        let mut rows = offers.iter().take(limit);
        rows.any(|offer| offer.availability == wanted)
    };
    if shown(Availability::Made) {
        parts.push("+ nobody is known to publish it in that format: it is made first".to_owned());
    }
    if shown(Availability::Paper) {
        parts.push("* exists only in the article".to_owned());
    }
    parts.push("one row a device, with as few as serve".to_owned());
    parts.join("; ")
}

fn rejections(answer: &Offers) -> Vec<String> {
    let mut lines: Vec<String> = answer
        .rejected
        .iter()
        .take(REJECTIONS_SHOWN)
        .map(|unfit| format!("{}: {}", unfit.gpu, unfit.reason))
        .collect();
    let more = answer.rejected.len().saturating_sub(REJECTIONS_SHOWN);
    if more > 0 {
        lines.push(format!("and {more} more (--json lists them all)"));
    }
    lines
}
