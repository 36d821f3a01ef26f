//! A dashboard as one SVG: a plot for each panel.

use super::panels::{Panel, Target};
use crate::guest::prometheus::Curve;
use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;

const PANEL: (u32, u32) = (600, 260);
const COLUMNS: usize = 2;
const FONT: (&str, u32) = ("sans-serif", 12);
const TITLE: (&str, u32) = ("sans-serif", 15);
/// More than these are left out of a legend.
const NAMED: usize = 8;
/// A line of the legend, as a share of the plot's height.
const LEGEND_LINE: f64 = 0.09;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A line of a panel.
struct Line {
    name: String,
    /// Minutes, and the value in the panel's unit.
    points: Vec<(f64, f64)>,
}

/// All panels; `curves` are what the query of a panel found.
pub(super) fn dashboard<'a>(panels: &[Panel], curves: impl Fn(usize, &str) -> &'a [Curve]) -> Result<String> {
    let rows = panels.len().div_ceil(COLUMNS);
    let size = (PANEL.0 * u32::try_from(COLUMNS)?, PANEL.1 * u32::try_from(rows)?);
    let mut svg = String::new();
    let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    let drawn = root.fill(&WHITE).map_err(|error| error.to_string()).and_then(|()| {
        let places = root.split_evenly((rows, COLUMNS));
        panels.iter().zip(&places).enumerate().try_for_each(|(index, (panel, place))| {
            let lines = lines(panel, |expr| curves(index, expr));
            draw(place, panel, &lines).map_err(|error| error.to_string())
        })
    });
    drawn.and_then(|()| root.present().map_err(|error| error.to_string())).map_err(|error| anyhow!(error))?;
    drop(root);
    Ok(svg)
}

fn lines<'a>(panel: &Panel, curves: impl Fn(&str) -> &'a [Curve]) -> Vec<Line> {
    let (unit, _) = panel.unit();
    // One beginning for all queries of a panel: a rate has its first point later than what it is the rate of.
    let starts =
        panel.targets.iter().flat_map(|target| curves(&target.expr)).filter_map(|curve| curve.points.first());
    let begin = starts.map(|(at, _)| *at).fold(f64::MAX, f64::min);
    let of = |target: &Target| -> Vec<Line> {
        let line = |curve: &Curve| Line {
            name: target.called(|label| curve.labels.get(label).cloned().unwrap_or_default()),
            points: curve.points.iter().map(|(at, value)| ((at - begin) / 60.0, value / unit)).collect(),
        };
        curves(&target.expr).iter().map(line).collect()
    };
    panel.targets.iter().flat_map(of).collect()
}

fn draw(area: &Area<'_>, panel: &Panel, lines: &[Line]) -> Result<(), Box<dyn std::error::Error>> {
    let (_, unit) = panel.unit();
    let points = || lines.iter().flat_map(|line| &line.points);
    let end = points().map(|(at, _)| *at).fold(1.0, f64::max);
    let low = points().map(|(_, value)| *value).fold(0.0, f64::min);
    let high = points().map(|(_, value)| *value).fold(low, f64::max);
    let span = if high > low { high - low } else { 1.0 };
    let named = lines.iter().filter(|line| !line.name.is_empty()).take(NAMED).count();
    let room = span * LEGEND_LINE * f64::from(u32::try_from(named)? + 1);
    let mut chart = ChartBuilder::on(area)
        .caption(&panel.title, TITLE)
        .margin(8)
        .x_label_area_size(24)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..end, low..high + room)?;
    let mut mesh = chart.configure_mesh();
    mesh.x_labels(6).max_light_lines(1).y_desc(unit).label_style(FONT);
    mesh.x_label_formatter(&|minutes| format!("{minutes:.0} min")).draw()?;
    for (index, line) in lines.iter().enumerate() {
        let colour = Palette99::pick(index).to_rgba();
        let drawn =
            chart.draw_series(LineSeries::new(line.points.iter().copied(), colour.stroke_width(2)))?;
        if !line.name.is_empty() && index < NAMED {
            drawn
                .label(line.name.clone())
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 14, y)], colour.stroke_width(2)));
        }
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.2))
        .label_font(FONT)
        .draw()?;
    Ok(())
}
