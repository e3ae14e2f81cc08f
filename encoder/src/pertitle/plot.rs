//! The plot of a report, as SVG.

use std::fmt::Write;

use super::hull::Point;
use super::report::{Chosen, Report};

/// The plot: bitrate across, on a logarithmic scale, and quality up. It needs no other file.
pub(super) fn svg(report: &Report) -> String {
    let axes = Axes::of(report);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"system-ui, 'DejaVu Sans', sans-serif\" \
         font-size=\"13\" fill=\"#222\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
    );
    axes.draw(&mut svg);
    let sizes = sizes(report);
    let colours: Vec<String> = (0..sizes.len()).map(|index| colour(index, sizes.len())).collect();
    for (size, colour) in sizes.iter().zip(&colours) {
        let points: Vec<&Point> = report
            .points
            .iter()
            .filter(|point| point.size() == *size)
            .collect();
        let line = points.iter().map(|point| (point.kbps, point.quality));
        axes.line(
            &mut svg,
            line,
            &format!("stroke=\"{colour}\" stroke-width=\"1.3\" stroke-opacity=\"0.75\""),
        );
        for point in points.iter().filter(|point| axes.shows(point)) {
            let (x, y) = axes.place(point.kbps, point.quality);
            let _ = writeln!(
                svg,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.6\" fill=\"{colour}\"><title>{}×{}, CRF {}: {:.0} kbit/s, {:.1}</title></circle>",
                point.width, point.height, point.crf, point.kbps, point.quality
            );
        }
    }
    let hull = report.hull.iter().map(|point| (point.kbps, point.quality));
    axes.line(
        &mut svg,
        hull,
        "stroke=\"#111\" stroke-width=\"1.6\" stroke-dasharray=\"5 3\"",
    );
    for rung in &report.fixed {
        let (x, y) = axes.place(rung.kbps, rung.quality);
        let _ = writeln!(
            svg,
            "<path d=\"M{:.1} {:.1}l12 12m0 -12l-12 12\" stroke=\"{FIXED}\" stroke-width=\"2.4\"><title>fixed {}: {:.0} kbit/s, {:.1}</title></path>",
            x - 6.0,
            y - 6.0,
            rung.name,
            rung.kbps,
            rung.quality
        );
    }
    for rung in &report.rungs {
        let (x, y) = axes.place(rung.kbps, rung.quality);
        let _ = writeln!(
            svg,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"6.5\" fill=\"#fff\" fill-opacity=\"0.8\" stroke=\"#111\" stroke-width=\"2.2\"><title>{}: {:.0} kbit/s, {:.1}</title></circle>",
            rung.name, rung.kbps, rung.quality
        );
    }
    labels(&mut svg, &axes, report);
    legend(&mut svg, &sizes, &colours);
    svg += "</svg>\n";
    svg
}

/// Names of the chosen rungs to the left above their marks, and of the fixed ones to the right below, none on another.
fn labels(svg: &mut String, axes: &Axes, report: &Report) {
    let mut taken: Vec<Area> = Vec::new();
    let marks = report.rungs.iter().map(|rung| (rung.kbps, rung.quality));
    let marks = marks.chain(report.fixed.iter().map(|rung| (rung.kbps, rung.quality)));
    taken.extend(marks.map(|(kbps, quality)| {
        let (x, y) = axes.place(kbps, quality);
        Area {
            left: x - 7.0,
            top: y - 7.0,
            right: x + 7.0,
            bottom: y + 7.0,
        }
    }));
    let chosen = report
        .rungs
        .iter()
        .map(|rung| (label(rung), rung.kbps, rung.quality, "#111", -1.0));
    let fixed = report.fixed.iter().map(|rung| {
        (
            format!("fixed {}", rung.name),
            rung.kbps,
            rung.quality,
            FIXED,
            1.0,
        )
    });
    for (text, kbps, quality, colour, side) in chosen.chain(fixed) {
        let (x, y) = axes.place(kbps, quality);
        let width = text.chars().count() as f64 * 6.9;
        // Farther and farther from the mark, on its own side first.
        let places = (0..24).flat_map(|step| {
            let away = 4.0 + f64::from(step / 2) * 9.0;
            let side = if step % 2 == 0 { side } else { -side };
            let left = if side < 0.0 { x - 10.0 - width } else { x + 10.0 };
            [away, -away].map(|dy| Area {
                left,
                top: y + side * dy - 8.0,
                right: left + width,
                bottom: y + side * dy + 8.0,
            })
        });
        let is_free = |area: &Area| axes.holds(area) && !taken.iter().any(|other| other.overlaps(area));
        let Some(area) = places.into_iter().find(is_free) else {
            continue;
        };
        let middle = (area.top + area.bottom) / 2.0;
        if (middle - y).abs() > 16.0 {
            let end = if area.left > x {
                area.left - 2.0
            } else {
                area.right + 2.0
            };
            let _ = writeln!(
                svg,
                "<path d=\"M{x:.1} {y:.1}L{end:.1} {middle:.1}\" stroke=\"{colour}\" stroke-width=\"0.7\" fill=\"none\"/>"
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"12\" fill=\"{colour}\" stroke=\"#fff\" stroke-width=\"3\" paint-order=\"stroke\">{text}</text>",
            area.left,
            middle + 4.0
        );
        taken.push(area);
    }
}

fn label(rung: &Chosen) -> String {
    let name = rung.name.split('-').next().unwrap_or_default();
    format!("{name} {} CRF {}", rate(rung.kbps), rung.crf)
}

fn legend(svg: &mut String, sizes: &[(u32, u32)], colours: &[String]) {
    let x = WIDTH - RIGHT + 22.0;
    let mut y = TOP + 8.0;
    let mut entry = |mark: String, text: &str| {
        let _ = writeln!(
            svg,
            "{mark}<text x=\"{:.1}\" y=\"{:.1}\">{text}</text>",
            x + 30.0,
            y + 4.5
        );
        y += 22.0;
        y
    };
    let mut at = TOP + 8.0;
    at = entry(
        format!(
            "<circle cx=\"{:.1}\" cy=\"{at:.1}\" r=\"6.5\" fill=\"#fff\" stroke=\"#111\" stroke-width=\"2.2\"/>",
            x + 10.0
        ),
        "chosen rung",
    );
    at = entry(
        format!(
            "<path d=\"M{:.1} {:.1}l12 12m0 -12l-12 12\" stroke=\"{FIXED}\" stroke-width=\"2.4\"/>",
            x + 4.0,
            at - 6.0
        ),
        "fixed rung",
    );
    at = entry(
        format!(
            "<path d=\"M{x:.1} {at:.1}h22\" stroke=\"#111\" stroke-width=\"1.6\" stroke-dasharray=\"5 3\"/>"
        ),
        "hull",
    );
    for ((width, height), colour) in sizes.iter().zip(colours) {
        let mark = format!(
            "<path d=\"M{x:.1} {at:.1}h22\" stroke=\"{colour}\" stroke-width=\"1.6\"/><circle cx=\"{:.1}\" cy=\"{at:.1}\" r=\"2.6\" fill=\"{colour}\"/>",
            x + 11.0
        );
        at = entry(mark, &format!("{width}×{height}"));
    }
}

/// The sizes that were tried, largest first.
fn sizes(report: &Report) -> Vec<(u32, u32)> {
    let mut sizes: Vec<(u32, u32)> = report.points.iter().map(Point::size).collect();
    sizes.sort_unstable_by_key(|(width, height)| std::cmp::Reverse(u64::from(*width) * u64::from(*height)));
    sizes.dedup();
    sizes
}

/// From violet for the largest to orange for the smallest, dark enough on white.
fn colour(index: usize, count: usize) -> String {
    let share = index as f64 / count.saturating_sub(1).max(1) as f64;
    format!(
        "hsl({:.0} 70% {:.0}%)",
        280.0 - 250.0 * share,
        45.0 - 8.0 * (share - 0.5).abs()
    )
}

struct Axes {
    /// Natural logarithms of kbit/s.
    left: f64,
    right: f64,
    bottom: f64,
}

#[derive(Clone, Copy)]
struct Area {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Area {
    fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }
}

impl Axes {
    fn of(report: &Report) -> Self {
        let shown = || {
            let points = report.points.iter().map(|point| (point.kbps, point.quality));
            points.chain(report.fixed.iter().map(|rung| (rung.kbps, rung.quality)))
        };
        let chosen = || report.rungs.iter().map(|rung| (rung.kbps, rung.quality));
        let lowest = chosen().map(|(_, quality)| quality).fold(100.0, f64::min);
        // What nobody would choose takes no room from what matters.
        let least = shown()
            .map(|(_, quality)| quality)
            .fold(100.0, f64::min)
            .max(20.0)
            .min(lowest);
        let rates = shown()
            .filter(|(_, quality)| *quality >= least - 1.0)
            .chain(chosen())
            .map(|(kbps, _)| kbps.max(1.0));
        let (low, high) = rates.fold((f64::INFINITY, 1.0_f64), |(low, high), kbps| {
            (low.min(kbps), high.max(kbps))
        });
        let low = if low.is_finite() { low } else { 1.0 };
        Self {
            left: (low / 1.15).ln(),
            right: (high * 1.2).max(low * 2.0).ln(),
            bottom: (least / 10.0).floor() * 10.0,
        }
    }

    fn place(&self, kbps: f64, quality: f64) -> (f64, f64) {
        let across = (kbps.max(0.001).ln() - self.left) / (self.right - self.left);
        let up = (quality - self.bottom) / (MOST_QUALITY - self.bottom);
        (
            LEFT + across * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM),
        )
    }

    fn shows(&self, point: &Point) -> bool {
        point.quality >= self.bottom && point.kbps.ln() >= self.left
    }

    fn holds(&self, area: &Area) -> bool {
        area.left >= LEFT + 2.0
            && area.right <= WIDTH - RIGHT + 12.0
            && area.top >= TOP
            && area.bottom <= HEIGHT - BOTTOM
    }

    fn line(&self, svg: &mut String, points: impl Iterator<Item = (f64, f64)>, style: &str) {
        let points: Vec<String> = points
            .map(|(kbps, quality)| self.place(kbps, quality))
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" {style} clip-path=\"url(#area)\"/>",
            points.join(" ")
        );
    }

    fn draw(&self, svg: &mut String) {
        let (width, height) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
        let _ = writeln!(
            svg,
            "<clipPath id=\"area\"><rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{width}\" height=\"{height}\"/></clipPath>"
        );
        let mut quality = self.bottom;
        while quality <= 100.0 {
            let (_, y) = self.place(1.0, quality);
            let _ = writeln!(
                svg,
                "<path d=\"M{LEFT} {y:.1}h{width}\" stroke=\"#e3e3e3\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{quality}</text>",
                LEFT - 8.0,
                y + 4.5
            );
            quality += 10.0;
        }
        let (low, high) = (self.left.exp(), self.right.exp());
        let mut before = f64::NEG_INFINITY;
        for decade in 0..7 {
            for step in [1.0, 1.5, 2.0, 3.0, 5.0, 7.0] {
                let kbps = step * 10_f64.powi(decade);
                if !(low..=high).contains(&kbps) {
                    continue;
                }
                let (x, _) = self.place(kbps, 0.0);
                let _ = writeln!(svg, "<path d=\"M{x:.1} {TOP}v{height}\" stroke=\"#e3e3e3\"/>");
                if x - before > 46.0 {
                    let text = rate(kbps);
                    let _ = writeln!(
                        svg,
                        "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{text}</text>",
                        HEIGHT - BOTTOM + 18.0
                    );
                    before = x;
                }
            }
        }
        let _ = writeln!(
            svg,
            "<rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{width}\" height=\"{height}\" fill=\"none\" stroke=\"#888\"/>\n\
             <text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">bitrate, bit/s (logarithmic)</text>\n\
             <text transform=\"translate(18 {:.1}) rotate(-90)\" text-anchor=\"middle\">quality at the size of the display, VMAF scale</text>",
            LEFT + width / 2.0,
            HEIGHT - 10.0,
            TOP + height / 2.0
        );
    }
}

/// 850k, 1.2M.
fn rate(kbps: f64) -> String {
    match kbps {
        small if small < 999.5 => format!("{small:.0}k"),
        large => format!("{}M", (large / 10.0).round() / 100.0),
    }
}

const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 600.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 160.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 52.0;
const MOST_QUALITY: f64 = 102.0;
const FIXED: &str = "#c5221f";
