//! Plots, as SVG without scripts.

use plotters::prelude::*;

use crate::{
    markup::visible,
    series::{Curve, Series},
    time,
};

const SIZE: (u32, u32) = (960, 300);
const FONT: (&str, u32) = ("sans-serif", 13);
/// Told apart by those who do not see all colours, too (Okabe and Ito), the first the strongest.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(0, 0, 0),
    RGBColor(150, 150, 150),
];
/// A line of the legend, as a share of the plot's height.
const LEGEND_LINE: f64 = 0.09;
const DAY: u64 = 24 * 60 * 60;

/// A plot could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw a plot: {0}")]
pub struct ChartError(String);

/// GiB over time, a line for each of `curves`; where no daemon kept watch there is a gap.
pub(crate) fn chart(series: &Series, curves: &[Curve]) -> Result<String, ChartError> {
    let mut svg = String::new();
    draw(&mut svg, series, curves).map_err(|error| ChartError(error.to_string()))?;
    Ok(svg)
}

type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

fn draw(svg: &mut String, series: &Series, curves: &[Curve]) -> Drawn {
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let steps = curves.first().map_or(1, |curve| curve.values.len());
    let at = |step: usize| series.begin.saturating_add(series.step.saturating_mul(step as u64));
    let end = at(steps);
    let mut chart = ChartBuilder::on(&area)
        .margin(8)
        .x_label_area_size(28)
        .y_label_area_size(64)
        .build_cartesian_2d(series.begin..end, values(curves))?;
    let is_long = end - series.begin > 2 * DAY;
    chart
        .configure_mesh()
        .x_labels(8)
        .max_light_lines(1)
        .y_desc("GiB")
        .label_style(FONT)
        .x_label_formatter(&|at| label(*at, is_long))
        .draw()?;
    for (curve, colour) in curves.iter().zip(COLOURS.iter().cycle()) {
        for (index, run) in runs(&curve.values).enumerate() {
            // In the middle of its step; one that is alone is a point.
            let points: Vec<_> = run.map(|(step, value)| (at(step) + series.step / 2, value)).collect();
            let size = u32::from(points.len() == 1);
            let drawn =
                chart.draw_series(LineSeries::new(points, colour.stroke_width(2)).point_size(size))?;
            if index == 0 {
                let colour = *colour;
                drawn.label(visible(&curve.name)).legend(move |(x, y)| {
                    PathElement::new(vec![(x, y), (x + 16, y)], colour.stroke_width(2))
                });
            }
        }
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.2))
        .label_font(FONT)
        .draw()?;
    drop(chart);
    area.present()
}

/// From nought, or below, to so much above the highest that the legend hides nothing.
fn values(curves: &[Curve]) -> std::ops::Range<f64> {
    let all = || curves.iter().flat_map(|curve| &curve.values).flatten().copied();
    let (low, high) = (all().fold(0.0, f64::min), all().fold(0.0, f64::max));
    let span = if high > low { high - low } else { 1.0 };
    let below = if low < 0.0 { low - span * 0.05 } else { 0.0 };
    let lines = curves.iter().fold(1.0, |lines, _| lines + 1.0);
    below..high + span * LEGEND_LINE * lines
}

/// The stretches without a gap, each value with its step.
fn runs(values: &[Option<f64>]) -> impl Iterator<Item = impl Iterator<Item = (usize, f64)>> {
    let numbered: Vec<_> = values.iter().copied().enumerate().collect();
    let runs: Vec<Vec<_>> = numbered
        .split(|(_, value)| value.is_none())
        .filter(|run| !run.is_empty())
        .map(|run| run.iter().filter_map(|(step, value)| Some((*step, (*value)?))).collect())
        .collect();
    runs.into_iter().map(Vec::into_iter)
}

/// The day where the plot has several, else the hour.
fn label(at: u64, is_long: bool) -> String {
    let shown = time::shown(at);
    let part = if is_long { shown.get(5..16) } else { shown.get(11..16) };
    part.unwrap_or_default().to_owned()
}
