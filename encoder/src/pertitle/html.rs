//! A report as a page of its own.

use std::fmt::Write;

use super::report::Report;
use crate::quality::Method;

/// The page, with the plot in it.
pub(super) fn page(report: &Report, svg: &str) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Per-title ladder</title>\n<style>{STYLE}</style>\n<h1>Per-title ladder</h1>\n<p>{}</p>\n{svg}\n",
        summary(report)
    );
    page += "<h2>The ladder</h2>\n<table>\n<tr><th>rung<th>size<th>CRF<th>expected mean, kbit/s<th>cap, kbit/s<th>quality\n";
    for rung in &report.rungs {
        let _ = writeln!(
            page,
            "<tr><th>{}<td>{}×{}<td>{}<td>{:.0}<td>{}<td>{:.1}",
            rung.name, rung.width, rung.height, rung.crf, rung.kbps, rung.cap_kbps, rung.quality
        );
    }
    page += "</table>\n<h2>Against the fixed ladder, at equal quality</h2>\n<table>\n<tr><th>fixed rung<th>size<th>kbit/s<th>quality\
             <th>best size at that quality, kbit/s<th>hull at that bitrate, quality<th>saving\n";
    for rung in &report.fixed {
        let same = rung
            .same_quality_kbps
            .map_or("–".to_owned(), |kbps| format!("{kbps:.0}"));
        let _ = writeln!(
            page,
            "<tr><th>{}<td>{}×{}<td>{:.0}<td>{:.1}<td>{same}<td>{:.1}<td>{}",
            rung.name,
            rung.width,
            rung.height,
            rung.kbps,
            rung.quality,
            report.hull_quality(rung.kbps),
            percent(rung.saving)
        );
    }
    page += "</table>\n<h2>What was looked at</h2>\n<table>\n<tr><th>from, s<th>length, s<th>stands for\n";
    for stretch in &report.stretches {
        let _ = writeln!(
            page,
            "<tr><td>{:.1}<td>{:.1}<td>{:.1} %",
            stretch.start_s,
            stretch.duration_s,
            stretch.weight * 100.0
        );
    }
    page += "</table>\n</html>\n";
    page
}

fn summary(report: &Report) -> String {
    let saving = &report.saving;
    let sampled: f64 = report.stretches.iter().map(|stretch| stretch.duration_s).sum();
    let method = match report.method {
        Method::Vmaf => "VMAF (libvmaf)",
        Method::VmafModel => "a prediction of VMAF, since this FFmpeg has no libvmaf",
    };
    format!(
        "At equal quality the best of the sizes takes <b>{}</b> fewer bits than the fixed ladder, as a mean over the fixed rungs; {} as a mean over \
         all qualities that both have, {} as a sum of bits. All {} rungs together take {:.0} kbit/s, the {} fixed ones {:.0}. \
         {} at preset {}; {sampled:.1} s in {} stretches, shown at {}×{}; quality is {method}, of every {}th frame.",
        percent(saving.mean),
        percent(saving.delta_rate),
        percent(saving.sum),
        report.rungs.len(),
        saving.chosen_total_kbps,
        report.fixed.len(),
        saving.fixed_total_kbps,
        report.asked.per_title.codec.name(),
        report.asked.preset,
        report.stretches.len(),
        report.display.0,
        report.display.1,
        report.measured_every
    )
}

fn percent(share: Option<f64>) -> String {
    share.map_or("–".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;color:#222;max-width:62rem;margin:2rem auto;padding:0 1rem}\
svg{width:100%;height:auto}table{border-collapse:collapse}th,td{padding:.2rem .8rem;text-align:right;border-bottom:1px solid #ddd}\
th{font-weight:600}";
