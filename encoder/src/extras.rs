//! What is packaged beside pictures and sound: subtitles, thumbnails, posters.

use std::path::{Path, PathBuf};

use crate::error::EncodeError;
use crate::index::{Rendition, Segment, Text};
use crate::packager::Packaging;
use crate::pertitle::Report;
use crate::pictures::{self, Album, ImageTrack};
use crate::storage::Output;
use crate::text::{self, Cuts, TextTrack};
use crate::ts;

/// What the first stage found.
#[derive(Debug, Default)]
pub(crate) struct Extras {
    /// Of the source.
    pub(crate) texts: Vec<TextTrack>,
    /// Work files of tapped pictures.
    pub(crate) pictures: Vec<PathBuf>,
    /// A file with the film's pictures, for the poster.
    pub(crate) film: Option<PathBuf>,
    /// What the ladder was chosen by, where it was made for the film.
    pub(crate) report: Option<Report>,
}

/// Where the thumbnails' sheets lie.
pub(crate) const THUMBNAILS: &str = "thumbnails";

impl Extras {
    /// Writes the subtitles, those of files beside the source too, cut where `renditions` are cut.
    pub(crate) fn write_texts(
        &self,
        renditions: &[Rendition],
        packaging: &Packaging,
        output: &dyn Output,
    ) -> Result<Vec<Text>, EncodeError> {
        let sidecars = packaging.subtitles.iter().map(|sidecar| sidecar.read());
        let sidecars = sidecars.collect::<Result<Vec<_>, _>>()?;
        let Some(guide) = renditions
            .iter()
            .find(|rendition| rendition.is_video())
            .or(renditions.first())
        else {
            return Ok(Vec::new());
        };
        let ends = guide.segments.iter().map(Segment::end);
        let boundaries: Vec<u64> = guide
            .segments
            .iter()
            .take(1)
            .map(|segment| segment.start)
            .chain(ends)
            .collect();
        let cuts = Cuts::new(guide.timescale, &boundaries, packaging.text_segment_s);
        let end_ms = (guide.duration_s() * 1000.0).ceil() as u64;
        // What presentation time 0 is in the media that HLS plays.
        let mpegts = if packaging.hls_ts { ts::START } else { 0 };
        let mut texts: Vec<Text> = Vec::new();
        for track in self.texts.iter().chain(&sidecars) {
            for warning in &track.warnings {
                tracing::warn!("subtitles {}: {warning}", track.name);
            }
            let mut name = format!("text-{}", track.language);
            if track.role != text::Role::Subtitle {
                name += &format!("-{}", track.role.dash_role());
            }
            let mut number = 1;
            while texts.iter().any(|text| text.name == name) {
                number += 1;
                name = format!("text-{}-{number}", track.language);
            }
            // A menu can tell two only by their labels.
            let mut label = track.name.clone();
            if texts.iter().any(|text| text.label == label) {
                label += &format!(" {number}");
            }
            let segments = text::write(track, &name, &cuts, mpegts, output)?;
            output.write(&format!("{name}.vtt"), &text::whole(track, end_ms))?;
            texts.push(Text {
                name,
                language: track.language.clone(),
                label,
                role: track.role,
                timescale: guide.timescale,
                segments,
            });
        }
        Ok(texts)
    }

    /// Writes thumbnails and posters of what was tapped; none when nothing was.
    pub(crate) fn write_pictures(
        &self,
        renditions: &[Rendition],
        output: &dyn Output,
    ) -> Result<Option<ImageTrack>, EncodeError> {
        let Some(video) = renditions.iter().find(|rendition| rendition.is_video()) else {
            return Ok(None);
        };
        let Some(mut album) = Album::open(&self.pictures)? else {
            return Ok(None);
        };
        let duration_us = (video.duration_s() * 1e6) as u64;
        let track = pictures::write(&mut album, THUMBNAILS, duration_us, None, TILE_SIDE, output)?;
        let vtt = pictures::webvtt(&track, &format!("{THUMBNAILS}/"));
        output.write(&format!("{THUMBNAILS}.vtt"), vtt.as_bytes())?;
        if let Some(film) = &self.film {
            write_posters(film, &album, output)?;
        }
        Ok(Some(track))
    }
}

fn write_posters(film: &Path, album: &Album, output: &dyn Output) -> Result<(), EncodeError> {
    let candidates = pictures::rank(album.pictures());
    let Some(posters) = pictures::posters(film, album.plan(), &candidates)? else {
        tracing::warn!("no picture for a poster could be decoded");
        return Ok(());
    };
    tracing::info!(
        "the poster is the picture at {:.1} s",
        posters.time_ms as f64 / 1000.0
    );
    output.write("poster.jpg", &posters.large)?;
    output.write("poster-640.jpg", &posters.small)
}

/// The longer side of a thumbnail, in pixels.
const TILE_SIDE: u32 = 160;
