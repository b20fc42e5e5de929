//! How waiting times are distributed.
//!
//! The axis of shares gives each nine as much room as the one before: on an even axis the last
//! hundredth, where pools differ most, would be thinner than the line.

use super::{
    Axis, axis,
    curves::{Curve, Curves, frame},
    id,
};
use crate::{
    record::{Distribution, Record},
    report::{catalogue, error::Error, figure::text, statistics::Spot, verdict::place},
};

/// The most points of a line that are drawn.
const MOST_POINTS: usize = 500;
/// Shares that are marked on the axis.
const SHARES: &[(f64, &str)] = &[
    (0.0, "0 %"),
    (0.5, "50 %"),
    (0.9, "90 %"),
    (0.99, "99 %"),
    (0.999, "99.9 %"),
    (0.9999, "99.99 %"),
];
/// The share where the axis ends; what is beyond is at the edge.
const LAST_SHARE: f64 = 0.9999;

/// The height of a share, in nines.
fn nines(share: f64) -> f64 {
    -(1.0 - share.clamp(0.0, LAST_SHARE)).log10()
}

/// A picture of the distributions of a variant; `None` if it has none.
///
/// # Errors
/// When the template cannot be filled in.
pub fn distributions(
    record: &Record,
    scenario: &str,
    variant: &str,
) -> Result<Option<String>, Error> {
    let all = drawn(record, scenario, variant);
    let Some((first, (least, most))) = all.first().zip(ends(&all)) else {
        return Ok(None);
    };
    let decades = axis::decades(least, most, &first.unit);
    let frame = frame(all.len());
    let (from, to) = (decades[0].0, decades[decades.len() - 1].0);
    let x = axis::Span::logarithmic(from, to, frame.left, frame.right);
    let y = axis::Span::even(0.0, nines(LAST_SHARE), frame.bottom, frame.top);
    let shares = SHARES.iter();
    let shares = shares.map(|(share, word)| (nines(*share), (*word).to_owned()));
    let spot = Spot {
        scenario,
        variant,
        metric: "",
    };
    let picture = Curves {
        id: id(&["distribution", scenario, variant]),
        title: format!("{}: distribution of waiting times", place(spot)),
        summary: summary(&all),
        x: Axis {
            title: "time until a connection was there (logarithmic)".to_owned(),
            ticks: axis::ticks(&x, decades, axis::BESIDE),
        },
        y: Axis {
            title: "share of acquires that took no longer".to_owned(),
            ticks: axis::ticks(&y, shares.collect(), axis::ABOVE),
        },
        curves: curves(&all, &x, &y),
    };
    picture.draw(record).map(Some)
}

fn drawn<'r>(record: &'r Record, scenario: &str, variant: &str) -> Vec<&'r Distribution> {
    let all = record.distributions.iter();
    all.filter(|one| one.scenario == scenario && one.variant == variant)
        .filter(|one| one.quantiles.len() > 1)
        .filter(|one| catalogue::is_drawn(record, scenario, &one.contestant))
        .collect()
}

/// The least and the greatest figure above zero: a logarithm knows no zero, and what took less than
/// the clock can tell is drawn at the left edge.
fn ends(all: &[&Distribution]) -> Option<(f64, f64)> {
    let points = all.iter().flat_map(|one| &one.quantiles);
    let figures = points.map(|point| point.1);
    let above_zero = figures.filter(|figure| figure.is_finite() && *figure > 0.0);
    let (least, most) = above_zero.fold((f64::INFINITY, 0.0), |(least, most), figure| {
        (figure.min(least), figure.max(most))
    });
    least.is_finite().then_some((least, most))
}

/// The curves, the shortest longest wait first, as their upper ends are from left to right.
fn curves<'r>(all: &[&'r Distribution], x: &axis::Span, y: &axis::Span) -> Vec<Curve<'r>> {
    let curve = |one: &&'r Distribution| Curve {
        name: &one.contestant,
        points: stairs(&one.quantiles, x, y),
        last: one.quantiles.last().map_or(0.0, |point| point.1),
        dots: false,
    };
    let mut curves: Vec<Curve<'r>> = all.iter().map(curve).collect();
    curves.sort_by(|left, right| left.last.total_cmp(&right.last));
    curves
}

/// Steps, because a value holds up to the next quantile.
fn stairs(quantiles: &[(f64, f64)], x: &axis::Span, y: &axis::Span) -> Vec<(f64, f64)> {
    let skip = quantiles.len().div_ceil(MOST_POINTS).max(1);
    let mut points = Vec::new();
    let mut height = y.place(0.0);
    for (share, figure) in quantiles.iter().step_by(skip).chain(quantiles.last()) {
        let across = x.place(*figure);
        points.push((across, height));
        height = y.place(nines(*share));
        points.push((across, height));
    }
    points
}

fn summary(all: &[&Distribution]) -> String {
    let one = |distribution: &&Distribution| {
        let at = |share: f64| {
            let mut quantiles = distribution.quantiles.iter();
            let reached = quantiles.find(|point| point.0 >= share);
            reached.map_or_else(String::new, |point| text(point.1, &distribution.unit))
        };
        let (half, tail) = (at(0.5), at(0.99));
        let name = &distribution.contestant;
        format!("{name}: half within {half}, 99 % within {tail}")
    };
    let all: Vec<String> = all.iter().map(one).collect();
    format!("{}.", all.join("; "))
}
