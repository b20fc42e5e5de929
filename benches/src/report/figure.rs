//! Figures as people read them: three digits, a unit that fits, one unit to a column.
//!
//! The unit is chosen once for all that is shown side by side; cells of one column in different
//! units look alike and are a thousandfold apart.

use super::statistics::Summary;

/// A unit and what to divide by to get it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale<'u> {
    /// The unit as shown; empty for plain numbers.
    pub unit: &'u str,
    divisor: f64,
}

const TIMES: &[(f64, &str)] = &[(1.0, "ns"), (1e3, "µs"), (1e6, "ms"), (1e9, "s")];
const RATES: &[(f64, &str)] = &[(1.0, "ops/s"), (1e3, "kops/s"), (1e6, "Mops/s")];
const TIMES_EACH: &[(f64, &str)] = &[(1.0, "ns/op"), (1e3, "µs/op"), (1e6, "ms/op")];
const FREQUENCIES: &[(f64, &str)] = &[(1.0, "1/s"), (1e3, "k/s"), (1e6, "M/s")];
const SIZES: &[(f64, &str)] = &[
    (1.0, "B"),
    (1024.0, "KiB"),
    (1_048_576.0, "MiB"),
    (1_073_741_824.0, "GiB"),
];

impl<'u> Scale<'u> {
    /// The scale for figures in `unit` of which the typical one is `typical`.
    #[must_use]
    pub fn fitting(unit: &'u str, typical: f64) -> Self {
        let steps = match unit {
            "ns" => TIMES,
            "ns/op" => TIMES_EACH,
            "ops/s" => RATES,
            "1/s" => FREQUENCIES,
            "B" => SIZES,
            _ => return Self { unit, divisor: 1.0 },
        };
        let fits = |step: &&(f64, &'static str)| step.0 <= typical.abs();
        let &(divisor, unit) = steps.iter().rev().find(fits).unwrap_or(&steps[0]);
        Self { unit, divisor }
    }

    /// The scale for all of these figures: it fits their median.
    #[must_use]
    pub fn for_all(unit: &'u str, figures: impl IntoIterator<Item = f64>) -> Self {
        let some: Vec<Option<f64>> = figures
            .into_iter()
            .filter(|figure| *figure != 0.0)
            .map(Some)
            .collect();
        Self::fitting(unit, Summary::of(&some).map_or(0.0, |all| all.median))
    }

    /// `value` in this unit, without the unit.
    #[must_use]
    pub fn number(&self, value: f64) -> String {
        number(self.of(value))
    }

    /// `value` in this unit, with the unit.
    #[must_use]
    pub fn text(&self, value: f64) -> String {
        let number = self.number(value);
        if self.unit.is_empty() {
            number
        } else {
            format!("{number} {}", self.unit)
        }
    }

    /// `value` in this unit.
    #[must_use]
    pub fn of(&self, value: f64) -> f64 {
        value / self.divisor
    }

    /// The range of a summary, in brackets; empty where all values are the same.
    #[must_use]
    pub fn range(&self, summary: &Summary) -> String {
        let (min, max) = (self.number(summary.min), self.number(summary.max));
        if min == max {
            String::new()
        } else {
            format!("[{min}..{max}]")
        }
    }
}

/// A figure in the unit that fits it.
#[must_use]
pub fn text(value: f64, unit: &str) -> String {
    Scale::fitting(unit, value).text(value)
}

/// Three digits, more only before the point; whole numbers as they are.
#[must_use]
pub fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 1e9 || (size > 0.0 && size < 1e-4) {
        return format!("{value:.2e}");
    }
    if value.fract() == 0.0 {
        return grouped(value);
    }
    match size {
        size if size >= 100.0 => grouped(value.round()),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        size if size >= 0.1 => format!("{value:.3}"),
        _ => format!("{value:.4}"),
    }
}

/// A whole number with a thin space before every third digit, from ten thousand on.
fn grouped(value: f64) -> String {
    let plain = format!("{value:.0}");
    if value.abs() < 10_000.0 {
        return plain;
    }
    let digits = plain.trim_start_matches('-');
    let mut out = String::from(if value < 0.0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// How often one figure is another, as in `1.32×`.
#[must_use]
pub fn times(ratio: f64) -> String {
    let digits = match ratio {
        ratio if ratio >= 100.0 => format!("{ratio:.0}"),
        ratio if ratio >= 10.0 => format!("{ratio:.1}"),
        ratio => format!("{ratio:.2}"),
    };
    format!("{digits}×")
}

/// The range of a ratio; empty where all rounds say the same.
#[must_use]
pub fn times_range(ratio: &Summary) -> String {
    let (min, max) = (times(ratio.min), times(ratio.max));
    if min == max {
        return String::new();
    }
    format!(
        "[{}..{}]",
        min.trim_end_matches('×'),
        max.trim_end_matches('×')
    )
}
