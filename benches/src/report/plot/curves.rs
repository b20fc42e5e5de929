//! Lines: how latencies are distributed, and throughput against oversubscription.

use super::{Axis, Frame, Line, Plot, WIDTH, axis, classes, draw, id};
use crate::{
    record::{Distribution, Record},
    report::{
        catalogue,
        error::Error,
        figure::{Scale, text},
        section::variants,
        statistics::{Spot, Summary, find},
        verdict::place,
    },
};

/// The height of a picture without its legend.
const HEIGHT: f64 = 440.0;
/// The height of an entry in the legend.
const ENTRY: f64 = 21.0;
/// The most points of a line that are drawn.
const MOST_POINTS: usize = 500;
/// Shares that are marked on the axis of a distribution.
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

/// The height of a share: each nine takes as much as the one before, so that tails can be seen.
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
    let all: Vec<&Distribution> = record
        .distributions
        .iter()
        .filter(|one| one.scenario == scenario && one.variant == variant)
        .filter(|one| one.quantiles.len() > 1)
        .filter(|one| catalogue::is_drawn(record, scenario, &one.contestant))
        .collect();
    let figures = || {
        all.iter()
            .flat_map(|one| &one.quantiles)
            .map(|point| point.1)
    };
    // A logarithm knows no zero: what took less than the clock can tell is drawn at the left edge.
    let least = figures()
        .filter(|figure| *figure > 0.0)
        .fold(f64::INFINITY, f64::min);
    let most = figures().fold(0.0, f64::max);
    let Some(first) = all.first().filter(|_| least.is_finite()) else {
        return Ok(None);
    };
    let decades = axis::decades(least, most, &first.unit);
    let ends = (decades[0].0, decades[decades.len() - 1].0);
    let frame = frame(all.len());
    let x = axis::Span::logarithmic(ends.0, ends.1, frame.left, frame.right);
    let y = axis::Span::even(0.0, nines(LAST_SHARE), frame.bottom, frame.top);
    let curves = all.iter().map(|one| Curve {
        name: &one.contestant,
        points: stairs(&one.quantiles, &x, &y),
        last: one.quantiles[one.quantiles.len() - 1].1,
        dots: false,
    });
    let mut curves: Vec<Curve<'_>> = curves.collect();
    // The legend follows the right ends of the lines, the shortest wait first.
    curves.sort_by(|left, right| left.last.total_cmp(&right.last));
    let shares = SHARES
        .iter()
        .map(|(share, word)| (nines(*share), (*word).to_owned()));
    let spot = Spot {
        scenario,
        variant,
        metric: "",
    };
    let plot = Plot {
        id: id(&["distribution", scenario, variant]),
        title: format!("{}: distribution of waiting times", place(spot)),
        summary: longest_waits(&all),
        width: WIDTH,
        height: height(curves.len()),
        x: Axis {
            title: "time until a connection was there (logarithmic)".to_owned(),
            ticks: axis::ticks(&x, decades, axis::BESIDE),
        },
        y: Axis {
            title: "share of acquires that took no longer".to_owned(),
            ticks: axis::ticks(&y, shares.collect(), axis::ABOVE),
        },
        lines: lines(record, &frame, curves),
        frame,
    };
    draw(&plot).map(Some)
}

fn longest_waits(all: &[&Distribution]) -> String {
    let one = |distribution: &&Distribution| {
        let at = |share: f64| {
            let reached = distribution.quantiles.iter().find(|point| point.0 >= share);
            reached.map_or_else(String::new, |point| text(point.1, &distribution.unit))
        };
        let (half, tail) = (at(0.5), at(0.99));
        format!(
            "{}: half within {half}, 99 % within {tail}",
            distribution.contestant
        )
    };
    let all: Vec<String> = all.iter().map(one).collect();
    format!("{}.", all.join("; "))
}

/// Steps, because a value holds up to the next quantile.
fn stairs(quantiles: &[(f64, f64)], x: &axis::Span, y: &axis::Span) -> Vec<(f64, f64)> {
    let skip = quantiles.len().div_ceil(MOST_POINTS);
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

/// The picture of throughput against tasks per connection; `None` for a scenario whose variants are
/// not like `64 on 8`, or fewer than two.
///
/// # Errors
/// When the template cannot be filled in.
pub fn sweep(record: &Record, scenario: &str, metric: &str) -> Result<Option<String>, Error> {
    let mut loads: Vec<(&str, f64)> = variants(record, scenario)
        .into_iter()
        .filter_map(|variant| Some((variant, oversubscription(variant)?)))
        .collect();
    loads.sort_by(|left, right| left.1.total_cmp(&right.1));
    let [(_, least), .., (_, most)] = loads[..] else {
        return Ok(None);
    };
    let names = contestants(record, scenario, metric);
    let rows: Vec<(&str, Vec<(f64, f64)>)> = names
        .into_iter()
        .map(|name| (name, medians(record, scenario, metric, &loads, name)))
        .filter(|(_, points)| points.len() > 1)
        .collect();
    let figures = || {
        rows.iter()
            .flat_map(|(_, points)| points)
            .map(|point| point.1)
    };
    let unit = record.series.iter();
    let unit = unit
        .filter(|series| series.scenario == scenario && series.metric == metric)
        .map(|series| series.unit.as_str())
        .next();
    let scale = Scale::for_all(unit.unwrap_or_default(), figures());
    let steps = axis::even_steps(figures().fold(0.0, f64::max), &scale);
    let top = steps.last().map_or(1.0, |step| step.0);
    let frame = frame(rows.len());
    let x = axis::Span::logarithmic(least, most, frame.left, frame.right);
    let y = axis::Span::even(0.0, top, frame.bottom, frame.top);
    let mut curves: Vec<Curve<'_>> = rows
        .iter()
        .map(|(name, points)| Curve {
            name,
            points: points
                .iter()
                .map(|point| (x.place(point.0), y.place(point.1)))
                .collect(),
            last: points[points.len() - 1].1,
            dots: true,
        })
        .collect();
    curves.sort_by(|left, right| right.last.total_cmp(&left.last));
    let order: Vec<&str> = curves.iter().map(|curve| curve.name).collect();
    let words = loads
        .iter()
        .map(|(variant, load)| (*load, (*variant).to_owned()));
    let plot = Plot {
        id: id(&["sweep", scenario, metric]),
        title: format!(
            "{}: {metric} against oversubscription",
            catalogue::title(scenario)
        ),
        summary: format!(
            "At the right end, from top to bottom: {}.",
            order.join(", ")
        ),
        width: WIDTH,
        height: height(curves.len()),
        x: Axis {
            title: "tasks on connections (logarithm of their ratio)".to_owned(),
            ticks: axis::ticks(&x, words.collect(), axis::BESIDE),
        },
        y: Axis {
            title: format!("{metric} ({})", scale.unit),
            ticks: axis::ticks(&y, steps, axis::ABOVE),
        },
        lines: lines(record, &frame, curves),
        frame,
    };
    draw(&plot).map(Some)
}

/// Tasks per connection of a variant that begins like `64 on 8`.
#[must_use]
pub fn oversubscription(variant: &str) -> Option<f64> {
    let mut words = variant.split([' ', ',']);
    let number = |word: Option<&str>| word?.replace(['_', '\''], "").parse::<f64>().ok();
    let tasks = number(words.next())?;
    let on = words.next()?;
    let size = number(words.next())?;
    // Anything after it makes it another variant of the same load.
    (on == "on" && size > 0.0 && words.next().is_none()).then(|| tasks / size)
}

fn contestants<'r>(record: &'r Record, scenario: &str, metric: &str) -> Vec<&'r str> {
    let takes_part = |name: &str| {
        record.series.iter().any(|series| {
            series.scenario == scenario && series.metric == metric && series.contestant == name
        })
    };
    let names = record.contestants.iter().map(|one| one.name.as_str());
    names
        .filter(|name| takes_part(name) && catalogue::is_drawn(record, scenario, name))
        .collect()
}

fn medians(
    record: &Record,
    scenario: &str,
    metric: &str,
    loads: &[(&str, f64)],
    name: &str,
) -> Vec<(f64, f64)> {
    let point = |(variant, load): &(&str, f64)| {
        let spot = Spot {
            scenario,
            variant,
            metric,
        };
        Some((
            *load,
            Summary::of(&find(record, spot, name)?.values)?.median,
        ))
    };
    loads.iter().filter_map(point).collect()
}

/// A line before it has a class and an entry in the legend.
struct Curve<'r> {
    name: &'r str,
    points: Vec<(f64, f64)>,
    /// What the legend is sorted by.
    last: f64,
    dots: bool,
}

fn lines(record: &Record, frame: &Frame, curves: Vec<Curve<'_>>) -> Vec<Line> {
    let names: Vec<&str> = curves.iter().map(|curve| curve.name).collect();
    let classes = classes(record, &names);
    let line = |((index, curve), class): ((usize, Curve<'_>), String)| Line {
        class,
        name: curve.name.to_owned(),
        path: path(&curve.points),
        entry: frame.top + ENTRY * (index as f64 + 0.5),
        dots: if curve.dots { curve.points } else { Vec::new() },
    };
    curves
        .into_iter()
        .enumerate()
        .zip(classes)
        .map(line)
        .collect()
}

fn path(points: &[(f64, f64)]) -> String {
    let step = |(index, (x, y)): (usize, &(f64, f64))| {
        let letter = if index == 0 { 'M' } else { 'L' };
        format!("{letter}{x:.1} {y:.1}")
    };
    points.iter().enumerate().map(step).collect()
}

fn frame(entries: usize) -> Frame {
    Frame {
        left: 76.0,
        right: WIDTH - 200.0,
        top: 40.0,
        bottom: height(entries) - 58.0,
    }
}

fn height(entries: usize) -> f64 {
    HEIGHT.max(ENTRY * entries as f64 + 90.0)
}
