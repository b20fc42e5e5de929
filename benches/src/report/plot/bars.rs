//! A headline figure of all contestants as bars from zero, with ranges.

use super::{Axis, Bar, Bars, WIDTH, axis, class, draw, id};
use crate::{
    record::{Better, Record, Series},
    report::{
        catalogue,
        error::Error,
        figure::Scale,
        section::ranked,
        statistics::{Spot, Summary},
        verdict::place,
    },
};

/// Where bars begin: names stand left of it.
const LEFT: f64 = 190.0;
/// Where the axis ends: the figure of the longest bar stands right of it.
const RIGHT: f64 = WIDTH - 150.0;
/// The height of a bar with the gap to the next.
const STEP: f64 = 24.0;
/// Above the first bar.
const TOP: f64 = 46.0;

/// The picture; `None` if nobody has a figure there.
///
/// # Errors
/// When the template cannot be filled in.
pub fn bars(record: &Record, spot: Spot<'_>) -> Result<Option<String>, Error> {
    let ranked: Vec<(&Series, Summary)> = ranked(record, spot)
        .into_iter()
        .filter_map(|(series, figure)| Some((series, figure?)))
        .collect();
    let Some((first, _)) = ranked.first() else {
        return Ok(None);
    };
    let scale = Scale::for_all(&first.unit, ranked.iter().map(|(_, figure)| figure.median));
    let steps = axis::even_steps(longest(record, &ranked), &scale);
    let end = steps.last().map_or(1.0, |step| step.0);
    let span = axis::Span::even(0.0, end, LEFT, RIGHT);
    let bars = ranked
        .iter()
        .enumerate()
        .map(|(index, (series, figure))| bar(record, &scale, (&span, end), index, series, figure));
    let bars: Vec<Bar> = bars.collect();
    let bottom = TOP + STEP * bars.len() as f64;
    let unit = if scale.unit.is_empty() {
        "count"
    } else {
        scale.unit
    };
    let good = match first.better {
        Better::Lower => ", less is better",
        Better::Higher => ", more is better",
        Better::Neither => "",
    };
    let picture = Bars {
        id: id(&["bars", spot.scenario, spot.variant, spot.metric]),
        title: format!("{}: {}", place(spot), spot.metric),
        summary: summary(&scale, &ranked),
        width: WIDTH,
        height: bottom + 48.0,
        left: LEFT,
        right: RIGHT,
        bottom,
        x: Axis {
            title: format!("{} ({unit}){good}", spot.metric),
            ticks: axis::ticks(&span, steps, axis::BESIDE),
        },
        bars,
    };
    draw(&picture).map(Some)
}

/// The end of the axis: the greatest figure, but not so far that pools are dwarfed by a limit or by
/// the range of one bad round.
fn longest(record: &Record, ranked: &[(&Series, Summary)]) -> f64 {
    let greatest = |figures: &mut dyn Iterator<Item = f64>| figures.fold(0.0, f64::max);
    let is_pool = |series: &Series| class(record, &series.contestant) != "limit";
    let pools = ranked.iter().filter(|(series, _)| is_pool(series));
    let pools = greatest(&mut pools.map(|(_, figure)| figure.median));
    let all = greatest(&mut ranked.iter().map(|(_, figure)| figure.max));
    if pools > 0.0 {
        all.min(pools * 1.5)
    } else {
        all
    }
}

fn bar(
    record: &Record,
    scale: &Scale<'_>,
    (span, end): (&axis::Span, f64),
    index: usize,
    series: &Series,
    figure: &Summary,
) -> Bar {
    let faulty = catalogue::is_faulty(record, &series.scenario, &series.contestant);
    let note = match (faulty, figure.median > end) {
        (true, _) => " (fault)",
        (false, true) => " (beyond)",
        (false, false) => "",
    };
    let range = (span.place(figure.min), span.place(figure.max));
    let length = span.place(figure.median) - LEFT;
    Bar {
        class: class(record, &series.contestant),
        name: series.contestant.clone(),
        at: TOP + STEP * (index as f64 + 0.5),
        length,
        range,
        label: format!("{}{note}", scale.text(figure.median)),
        label_at: range.1.max(LEFT + length) + 8.0,
    }
}

fn summary(scale: &Scale<'_>, ranked: &[(&Series, Summary)]) -> String {
    let one = |(series, figure): &(&Series, Summary)| {
        format!("{} {}", series.contestant, scale.text(figure.median))
    };
    let all: Vec<String> = ranked.iter().map(one).collect();
    format!("Medians: {}.", all.join(", "))
}
