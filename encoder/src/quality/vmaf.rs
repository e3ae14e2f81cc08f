//! VMAF by FFmpeg's filter `libvmaf`.

use ffmpeg_next::{Rational, format, frame};
use tempfile::NamedTempFile;

use crate::error::EncodeError;
use crate::graph::{VideoShape, Wired};

/// Both pictures go in as one, the reference above, since our graphs have one end to put pictures in.
pub(super) struct Vmaf {
    graph: Wired,
    spec: String,
    log: NamedTempFile,
    stride: u64,
    frames: Vec<u64>,
    joined: frame::Video,
}

impl Vmaf {
    pub(super) fn new(width: u32, height: u32, stride: u64) -> Result<Self, EncodeError> {
        let log = tempfile::Builder::new().prefix("vmaf").suffix(".csv").tempfile();
        let log = log.map_err(|error| EncodeError::unwritable(&std::env::temp_dir(), error))?;
        let spec = spec(width, height, stride, &log.path().to_string_lossy());
        let joined = frame::Video::new(format::Pixel::YUV420P, width, height * 2);
        let shape = VideoShape::of(&joined).arguments(Rational::new(1, 25));
        let graph = Wired::build("buffer", &shape, "buffersink", 1, spec.clone())?;
        Ok(Self {
            graph,
            spec,
            log,
            stride,
            frames: Vec::new(),
            joined,
        })
    }

    pub(super) fn add(
        &mut self,
        number: u64,
        reference: &frame::Video,
        distorted: &frame::Video,
    ) -> Result<(), EncodeError> {
        for plane in 0..3 {
            let stride = self.joined.stride(plane);
            let height = self.joined.plane_height(plane) as usize / 2;
            let rows = self.joined.data_mut(plane).chunks_mut(stride.max(1));
            let sources = [reference, distorted].into_iter().flat_map(|frame| {
                let stride = frame.stride(plane).max(1);
                let width = frame.plane_width(plane) as usize;
                let rows = frame.data(plane).chunks(stride).take(height);
                rows.map(move |row| row.get(..width).unwrap_or(row))
            });
            for (row, source) in rows.zip(sources) {
                if let Some(row) = row.get_mut(..source.len()) {
                    row.copy_from_slice(source);
                }
            }
        }
        let mut frame = self.joined.clone();
        frame.set_pts(Some(self.frames.len() as i64));
        self.frames.push(number);
        self.graph.push(&frame)?;
        self.pass()
    }

    /// The numbers and scores of every `stride`-th frame.
    pub(super) fn finish(mut self) -> Result<Vec<(u64, f64)>, EncodeError> {
        self.graph.finish(self.frames.len() as i64)?;
        self.pass()?;
        // It writes its log when it goes.
        drop(self.graph);
        let unreadable = |source| EncodeError::InputUnreadable {
            path: self.log.path().to_owned(),
            source,
        };
        let log = std::fs::read_to_string(self.log.path()).map_err(unreadable)?;
        let scores = scores(&log);
        let numbered = scores.filter_map(|(index, score)| Some((*self.frames.get(index)?, score)));
        let numbered: Vec<_> = numbered.collect();
        match numbered.is_empty() && self.frames.len() as u64 > self.stride {
            true => Err(EncodeError::Filter {
                graph: self.spec,
                source: ffmpeg_next::Error::InvalidData,
            }),
            false => Ok(numbered),
        }
    }

    fn pass(&mut self) -> Result<(), EncodeError> {
        let mut passed = frame::Video::empty();
        while self.graph.pull(0, &mut passed)? {}
        Ok(())
    }
}

fn spec(width: u32, height: u32, stride: u64, log: &str) -> String {
    // Twice: the options' own list, and the graph's.
    let escaped = |text: &str, special: &str| -> String {
        text.chars()
            .flat_map(|c| special.contains(c).then_some('\\').into_iter().chain([c]))
            .collect()
    };
    let log = escaped(&escaped(log, "\\':"), "\\'[],;");
    format!(
        "[in]split[a][b];[a]crop={width}:{height}:0:{height}[d];[b]crop={width}:{height}:0:0[r];\
         [d][r]libvmaf=n_subsample={stride}:log_fmt=csv:log_path={log}[out0]"
    )
}

/// The rows of a log: which of the frames, and its score.
fn scores(log: &str) -> impl Iterator<Item = (usize, f64)> {
    let mut lines = log.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let column = move |name: &str| header.iter().position(|title| *title == name);
    let (index, score) = (column("Frame"), column("vmaf"));
    lines.filter_map(move |line| {
        let cells: Vec<&str> = line.split(',').collect();
        let index = cells.get(index?)?.parse().ok()?;
        Some((index, cells.get(score?)?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_gives_frames_and_scores() {
        // As FFmpeg 9 with libvmaf 3 writes it.
        let log = "Frame,integer_adm2,integer_motion2,vmaf,\n0,0.970117,0.000000,92.361245,\n5,0.968213,3.815321,95.8,\n";
        assert_eq!(scores(log).collect::<Vec<_>>(), [(0, 92.361_245), (5, 95.8)]);
        assert_eq!(scores("").count(), 0);
        assert_eq!(scores("Frame,other,\n0,1,\n").count(), 0);
    }

    #[test]
    fn the_logs_path_reaches_the_filter_whole() {
        let spec = spec(64, 36, 5, "/a b/it's:1,2.csv");
        assert!(
            spec.ends_with(r"log_path=/a b/it\\\'s\\:1\,2.csv[out0]"),
            "{spec}"
        );
    }
}
