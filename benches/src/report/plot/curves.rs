//! Lines on two axes with a legend: what distributions and sweeps share.

use super::{Axis, Frame, Line, Plot, WIDTH, classes, draw};
use crate::{record::Record, report::error::Error};

/// The least height of a picture.
const HEIGHT: f64 = 440.0;
/// The height of an entry in the legend.
const ENTRY: f64 = 21.0;

/// A line before it has a class and an entry in the legend.
pub(super) struct Curve<'r> {
    pub(super) name: &'r str,
    /// Places in the picture.
    pub(super) points: Vec<(f64, f64)>,
    /// The figure at the right end, by which the legend is sorted.
    pub(super) last: f64,
    /// Whether each point is marked.
    pub(super) dots: bool,
}

/// A picture of curves before it is drawn.
pub(super) struct Curves<'r> {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) summary: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    /// In the order of the legend.
    pub(super) curves: Vec<Curve<'r>>,
}

impl Curves<'_> {
    /// The picture.
    pub(super) fn draw(self, record: &Record) -> Result<String, Error> {
        let frame = frame(self.curves.len());
        let plot = Plot {
            id: self.id,
            title: self.title,
            summary: self.summary,
            width: WIDTH,
            height: height(self.curves.len()),
            x: self.x,
            y: self.y,
            lines: lines(record, &frame, self.curves),
            frame,
        };
        draw(&plot)
    }
}

/// Where the axes of a picture of so many curves are.
pub(super) fn frame(curves: usize) -> Frame {
    Frame {
        left: 76.0,
        right: WIDTH - 200.0,
        top: 40.0,
        bottom: height(curves) - 58.0,
    }
}

fn height(curves: usize) -> f64 {
    HEIGHT.max(ENTRY * curves as f64 + 110.0)
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
    let numbered = curves.into_iter().enumerate();
    numbered.zip(classes).map(line).collect()
}

fn path(points: &[(f64, f64)]) -> String {
    let step = |(index, (x, y)): (usize, &(f64, f64))| {
        let letter = if index == 0 { 'M' } else { 'L' };
        format!("{letter}{x:.1} {y:.1}")
    };
    points.iter().enumerate().map(step).collect()
}
