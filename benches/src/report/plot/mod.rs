//! Pictures as SVG inside the page.
//!
//! The plotting libraries at hand write fixed colours and measure text with a font that the reader
//! may not have. These pictures carry classes instead of colours, so that the page's style sheet
//! gives them a light and a dark theme, and text as text, so that it can be read out and copied. What
//! is left to do by hand is small: an axis is a function from a figure to a place, and the template
//! `plot.svg` writes the rest, with everything escaped.

mod axis;
pub mod bars;
mod curves;
pub mod distribution;
pub mod sweep;

use askama::Template;

use super::{catalogue, error::Error};
use crate::record::{Group, Record};

/// The width of a picture, in its own units, which are about a pixel.
const WIDTH: f64 = 860.0;

/// A picture of lines on two axes.
#[derive(Template)]
#[template(path = "plot.svg")]
struct Plot {
    /// Unique on the page.
    id: String,
    title: String,
    /// What is to be seen, for those who do not see it.
    summary: String,
    width: f64,
    height: f64,
    frame: Frame,
    x: Axis,
    y: Axis,
    lines: Vec<Line>,
}

/// Where the axes are.
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Frame {
    fn middle(&self) -> f64 {
        f64::midpoint(self.left, self.right)
    }

    fn centre(&self) -> f64 {
        f64::midpoint(self.top, self.bottom)
    }
}

struct Axis {
    title: String,
    ticks: Vec<Tick>,
}

struct Tick {
    at: f64,
    /// Empty for a line without a word.
    label: String,
}

/// One contestant's line with its entry in the legend.
struct Line {
    class: String,
    name: String,
    path: String,
    /// Centres of dots.
    dots: Vec<(f64, f64)>,
    /// The height of the entry in the legend.
    entry: f64,
}

/// A picture of bars.
#[derive(Template)]
#[template(path = "bars.svg")]
struct Bars {
    id: String,
    title: String,
    summary: String,
    width: f64,
    height: f64,
    /// Where bars begin.
    left: f64,
    /// Where the axis ends.
    right: f64,
    /// The lower end of the bars.
    bottom: f64,
    x: Axis,
    bars: Vec<Bar>,
}

struct Bar {
    class: &'static str,
    name: String,
    /// The middle of the bar.
    at: f64,
    length: f64,
    /// Where the range begins and ends.
    range: (f64, f64),
    label: String,
    /// Where the label begins.
    label_at: f64,
}

/// Renders a picture.
fn draw(picture: &impl Template) -> Result<String, Error> {
    Ok(picture.render()?)
}

/// The class of a contestant's line: group, and a number that tells it from others of its group.
fn classes(record: &Record, names: &[&str]) -> Vec<String> {
    let (mut ours, mut peers, mut limits) = (0, 0, 0);
    // The number of a contestant is its place in the record, so that it has one colour on all plots.
    let mut all: Vec<(&str, String)> = Vec::new();
    for one in &record.contestants {
        let (word, count) = match one.group {
            Group::Ours => ("ours", &mut ours),
            Group::Peer => ("peer", &mut peers),
            Group::Limit => ("limit", &mut limits),
        };
        all.push((&one.name, format!("{word} {word}-{count}")));
        *count += 1;
    }
    let class = |name: &&str| {
        let known = all.iter().find(|(other, _)| other == name);
        known.map_or_else(|| "peer peer-0".to_owned(), |(_, class)| class.clone())
    };
    names.iter().map(class).collect()
}

/// The word for a group in a class.
fn class(record: &Record, name: &str) -> &'static str {
    match catalogue::group(record, name) {
        Group::Ours => "ours",
        Group::Peer => "peer",
        Group::Limit => "limit",
    }
}

/// A text that can be an `id`.
fn id(parts: &[&str]) -> String {
    let joined = parts.join("-");
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    joined.chars().map(safe).collect()
}
