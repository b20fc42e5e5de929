//! A figure against oversubscription.

use super::{
    Axis, axis,
    curves::{Curve, Curves, frame},
    id,
};
use crate::{
    record::Record,
    report::{
        catalogue,
        error::Error,
        figure::Scale,
        section::variants,
        statistics::{Spot, Summary, find},
    },
};

/// Fewer loads than this make no curve.
const FEWEST_LOADS: usize = 4;

/// A variant like `64 on 8`, and its tasks per connection.
type Load<'r> = (&'r str, f64);
/// A contestant, and pairs of load and median.
type Row<'r> = (&'r str, Vec<(f64, f64)>);

/// The picture; `None` for a scenario whose variants are not like `64 on 8`, or too few.
///
/// # Errors
/// When the template cannot be filled in.
pub fn sweep(record: &Record, scenario: &str, metric: &str) -> Result<Option<String>, Error> {
    let loads = loads(record, scenario);
    let (Some(&(_, least)), Some(&(_, most))) = (loads.first(), loads.last()) else {
        return Ok(None);
    };
    if loads.len() < FEWEST_LOADS {
        return Ok(None);
    }
    let rows = rows(record, scenario, metric, &loads);
    let scale = scale(record, scenario, metric, &rows);
    let highest = rows.iter().flat_map(|(_, points)| points);
    let highest = highest.map(|point| point.1).fold(0.0, f64::max);
    let steps = axis::even_steps(highest, &scale);
    let top = steps.last().map_or(1.0, |step| step.0);
    let frame = frame(rows.len());
    let x = axis::Span::logarithmic(least, most, frame.left, frame.right);
    let y = axis::Span::even(0.0, top, frame.bottom, frame.top);
    let curves = curves(&rows, &x, &y);
    let order: Vec<&str> = curves.iter().map(|curve| curve.name).collect();
    let words = loads.iter();
    let words = words.map(|(variant, load)| (*load, (*variant).to_owned()));
    let picture = Curves {
        id: id(&["sweep", scenario, metric]),
        title: format!("{scenario}: {metric} against oversubscription"),
        summary: format!(
            "At the right end, from top to bottom: {}.",
            order.join(", ")
        ),
        x: Axis {
            title: "tasks on connections (logarithm of their ratio)".to_owned(),
            ticks: axis::ticks(&x, words.collect(), axis::BESIDE),
        },
        y: Axis {
            title: format!("{metric} ({})", scale.unit),
            ticks: axis::ticks(&y, steps, axis::ABOVE),
        },
        curves,
    };
    picture.draw(record).map(Some)
}

/// The loads of a scenario, rising.
fn loads<'r>(record: &'r Record, scenario: &str) -> Vec<Load<'r>> {
    let variants = variants(record, scenario).into_iter();
    let mut loads: Vec<Load<'_>> = variants
        .filter_map(|variant| Some((variant, oversubscription(variant)?)))
        .collect();
    loads.sort_by(|left, right| left.1.total_cmp(&right.1));
    loads
}

/// Tasks per connection of a variant like `64 on 8`; anything after it makes it another variant of
/// the same load.
#[must_use]
pub fn oversubscription(variant: &str) -> Option<f64> {
    let (tasks, size) = variant.split_once(" on ")?;
    let (tasks, size): (f64, f64) = (tasks.parse().ok()?, size.parse().ok()?);
    (tasks > 0.0 && size > 0.0).then(|| tasks / size)
}

fn rows<'r>(record: &'r Record, scenario: &str, metric: &str, loads: &[Load<'_>]) -> Vec<Row<'r>> {
    let names = record.contestants.iter().map(|one| one.name.as_str());
    let drawn = names.filter(|name| catalogue::is_drawn(record, scenario, name));
    let row = |name: &'r str| {
        let point = |(variant, load): &Load<'_>| {
            let spot = Spot {
                scenario,
                variant,
                metric,
            };
            let figure = Summary::of(&find(record, spot, name)?.values)?;
            Some((*load, figure.median))
        };
        (name, loads.iter().filter_map(point).collect::<Vec<_>>())
    };
    let rows = drawn.map(row);
    rows.filter(|(_, points)| points.len() > 1).collect()
}

fn scale<'r>(record: &'r Record, scenario: &str, metric: &str, rows: &[Row<'_>]) -> Scale<'r> {
    let mut series = record.series.iter();
    let first = series.find(|series| series.scenario == scenario && series.metric == metric);
    let figures = rows.iter().flat_map(|(_, points)| points);
    let unit = first.map_or("", |series| series.unit.as_str());
    Scale::for_all(unit, figures.map(|point| point.1))
}

/// The curves, the highest right end first.
fn curves<'r>(rows: &[Row<'r>], x: &axis::Span, y: &axis::Span) -> Vec<Curve<'r>> {
    let curve = |(name, points): &Row<'r>| Curve {
        name,
        points: points
            .iter()
            .map(|point| (x.place(point.0), y.place(point.1)))
            .collect(),
        last: points.last().map_or(0.0, |point| point.1),
        dots: true,
    };
    let mut curves: Vec<Curve<'r>> = rows.iter().map(curve).collect();
    curves.sort_by(|left, right| right.last.total_cmp(&left.last));
    curves
}
