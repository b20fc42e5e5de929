//! From a figure to a place, and where to put words on the way.

use super::Tick;
use crate::report::figure::{Scale, number, text};

/// The nearest that two words side by side may be, in the units of the picture.
pub(super) const BESIDE: f64 = 64.0;
/// The nearest that two words one above the other may be.
pub(super) const ABOVE: f64 = 16.0;

/// From figures between two ends to places between two ends, evenly or by logarithm.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
    logarithmic: bool,
}

impl Span {
    /// Evenly.
    pub(super) fn even(from: f64, to: f64, start: f64, end: f64) -> Self {
        Self {
            from,
            to: if to > from { to } else { from + 1.0 },
            start,
            end,
            logarithmic: false,
        }
    }

    /// By logarithm; both ends are above zero.
    pub(super) fn logarithmic(from: f64, to: f64, start: f64, end: f64) -> Self {
        let from = from.max(f64::MIN_POSITIVE);
        Self {
            from: from.log10(),
            to: to.max(from * 1.01).log10(),
            start,
            end,
            logarithmic: true,
        }
    }

    /// The place of `figure`, never outside.
    pub(super) fn place(&self, figure: f64) -> f64 {
        let figure = if self.logarithmic {
            figure.max(f64::MIN_POSITIVE).log10()
        } else {
            figure
        };
        let share = ((figure - self.from) / (self.to - self.from)).clamp(0.0, 1.0);
        self.start + share * (self.end - self.start)
    }
}

/// Round steps from zero to at least `most`.
pub(super) fn even_steps(most: f64, unit: &Scale<'_>) -> Vec<(f64, String)> {
    let most = if most > 0.0 { most } else { 1.0 };
    let raw = unit.of(most) / 5.0;
    let magnitude = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * magnitude)
        .find(|step| *step >= raw * 0.999)
        .unwrap_or(magnitude * 10.0);
    let count = (unit.of(most) / step).ceil() as usize;
    let one = unit.of(1.0);
    (0..=count.max(1))
        .map(|index| index as f64 * step)
        .map(|figure| {
            (
                figure / one,
                number((figure / magnitude * 100.0).round() / 100.0 * magnitude),
            )
        })
        .collect()
}

/// Powers of ten that enclose `least` and `most`.
pub(super) fn decades(least: f64, most: f64, unit: &str) -> Vec<(f64, String)> {
    let from = least.log10().floor() as i32;
    let to = (most.log10().ceil() as i32).max(from + 1);
    (from..=to)
        .map(|power| 10f64.powi(power))
        .map(|figure| (figure, text(figure, unit)))
        .collect()
}

/// Marks at these figures; a word nearer to the one before than `nearest` is left out.
pub(super) fn ticks(span: &Span, figures: Vec<(f64, String)>, nearest: f64) -> Vec<Tick> {
    let mut last = f64::NEG_INFINITY;
    let tick = |(figure, label): (f64, String)| {
        let at = span.place(figure);
        let fits = (at - last).abs() >= nearest;
        if fits {
            last = at;
        }
        Tick {
            at,
            label: if fits { label } else { String::new() },
        }
    };
    figures.into_iter().map(tick).collect()
}
