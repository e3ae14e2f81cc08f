//! From what encoders and files give to samples: one type for every codec.

use ffmpeg_next::codec::{Id, Parameters};

use super::colour::Colour;
use super::entry::{Bitrate, Picture, SampleEntry, boxed};
use super::nal::AccessUnit;
use super::{aac, av1, avc, dolby, flac, hevc, opus, vp9};
use crate::ladder::VideoCodec;

/// Turns a stream's packets into samples and knows its sample entry.
#[derive(Clone, Debug)]
pub(crate) struct Bitstream(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Aac(Option<aac::Configuration>, Framing),
    Av1(av1::Configuration),
    Avc(avc::ParameterSets),
    /// Length-prefixed already, with its `avcC`.
    AvcSamples(Vec<u8>),
    /// The first access unit.
    Dolby(Vec<u8>),
    /// STREAMINFO.
    Flac(Vec<u8>),
    Hevc(hevc::ParameterSets),
    /// Length-prefixed already, with its `hvcC`.
    HevcSamples(Vec<u8>),
    Opus(opus::Configuration),
    Vp9(vp9::Configuration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Adts,
    Raw,
}

/// What a file says of a stream beside its codec.
#[derive(Clone, Debug)]
pub(crate) struct StreamParameters {
    pub(crate) extradata: Vec<u8>,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Of a pixel; 0 to something when it is not known.
    pub(crate) pixel_aspect: (i32, i32),
    pub(crate) colour: Colour,
    pub(crate) channels: u8,
    /// Samples per second.
    pub(crate) rate: u32,
}

impl Bitstream {
    /// Of our own encoder for `codec`.
    pub(crate) fn of_encoder(codec: VideoCodec) -> Self {
        Self(match codec {
            VideoCodec::Av1 => Kind::Av1(av1::Configuration::default()),
            VideoCodec::H264 => Kind::Avc(avc::ParameterSets::default()),
            VideoCodec::H265 => Kind::Hevc(hevc::ParameterSets::default()),
            VideoCodec::Vp9 => Kind::Vp9(vp9::Configuration::default()),
        })
    }

    /// Of a stream in a file that is coded already; fails for codecs that are not packaged here.
    pub(crate) fn of_file(parameters: &Parameters) -> Result<Self, String> {
        let StreamParameters {
            extradata, channels, ..
        } = StreamParameters::read(parameters);
        Self::of_codec(parameters.id(), extradata, channels)
    }

    /// As [`of_file`](Self::of_file), by what a file says.
    pub(super) fn of_codec(codec: Id, extradata: Vec<u8>, channels: u8) -> Result<Self, String> {
        let incomplete = || format!("the {} stream says too little of itself", codec.name());
        Ok(Self(match codec {
            Id::AAC if extradata.is_empty() => Kind::Aac(None, Framing::Adts),
            Id::AAC => {
                let configuration =
                    aac::Configuration::of_bytes(&extradata, channels).ok_or_else(incomplete)?;
                Kind::Aac(Some(configuration), Framing::Raw)
            }
            Id::AC3 | Id::EAC3 => Kind::Dolby(Vec::new()),
            Id::AV1 => Kind::Av1(av1::Configuration::of_extradata(&extradata)),
            Id::FLAC => Kind::Flac(extradata),
            Id::H264 if extradata.first() == Some(&1) => Kind::AvcSamples(extradata),
            Id::H264 => {
                let mut sets = avc::ParameterSets::default();
                avc::append_access_unit(&extradata, &mut sets, &mut Vec::new());
                Kind::Avc(sets)
            }
            Id::HEVC if extradata.first() == Some(&1) => Kind::HevcSamples(extradata),
            Id::HEVC => {
                let mut sets = hevc::ParameterSets::default();
                hevc::append_access_unit(&extradata, &mut sets, &mut Vec::new());
                Kind::Hevc(sets)
            }
            Id::OPUS => Kind::Opus(opus::Configuration::of_head(&extradata).ok_or_else(incomplete)?),
            Id::VP9 => Kind::Vp9(vp9::Configuration::default()),
            _ => {
                return Err(format!(
                    "{} is not packaged here; encode it to H.264, H.265, AV1 or VP9 with AAC or Opus",
                    codec.name()
                ));
            }
        }))
    }

    /// Appends a packet to `out` as a sample.
    pub(crate) fn append(&mut self, packet: &[u8], out: &mut Vec<u8>) -> AccessUnit {
        let start = out.len();
        match &mut self.0 {
            Kind::Avc(sets) => return avc::append_access_unit(packet, sets, out),
            Kind::Hevc(sets) => return hevc::append_access_unit(packet, sets, out),
            Kind::Av1(configuration) => return av1::append_access_unit(packet, configuration, out),
            Kind::Vp9(configuration) => return vp9::append_access_unit(packet, configuration, out),
            Kind::AvcSamples(avcc) => {
                out.extend_from_slice(packet);
                return avc::inspect(packet, length_bytes(avcc, 4));
            }
            Kind::HevcSamples(hvcc) => {
                out.extend_from_slice(packet);
                return hevc::inspect(packet, length_bytes(hvcc, 21));
            }
            Kind::Aac(configuration, Framing::Adts) => {
                let header = aac::Configuration::of_adts(packet);
                let header_bytes = header.as_ref().map_or(0, |(_, bytes)| *bytes);
                out.extend_from_slice(packet.get(header_bytes..).unwrap_or_default());
                *configuration = configuration.take().or(header.map(|(read, _)| read));
            }
            Kind::Dolby(first) => {
                if first.is_empty() {
                    first.extend_from_slice(packet);
                }
                out.extend_from_slice(packet);
            }
            Kind::Aac(..) | Kind::Flac(_) | Kind::Opus(_) => out.extend_from_slice(packet),
        }
        AccessUnit {
            is_idr: true,
            is_open_gop: false,
            is_reference: true,
            size: out.len() - start,
        }
    }

    /// The sample entry of a video stream at `fps` frames per second, once its first key frame was appended.
    pub(crate) fn video_entry(&self, picture: &Picture, fps: f64) -> Result<SampleEntry, String> {
        match &self.0 {
            Kind::Av1(configuration) => configuration.entry(picture),
            Kind::Avc(sets) => sets.entry(picture),
            Kind::AvcSamples(avcc) => SampleEntry::video(b"avc1", picture, |out| {
                boxed(b"avcC", out, |out| out.extend_from_slice(avcc));
            }),
            Kind::Hevc(sets) => sets.entry(picture),
            Kind::HevcSamples(hvcc) => SampleEntry::video(b"hvc1", picture, |out| {
                boxed(b"hvcC", out, |out| out.extend_from_slice(hvcc));
            }),
            Kind::Vp9(configuration) => configuration.entry(picture, fps),
            Kind::Aac(..) | Kind::Dolby(_) | Kind::Flac(_) | Kind::Opus(_) => {
                Err("it is no video stream".to_owned())
            }
        }
    }

    /// The sample entry of an audio stream, once its first packet was appended.
    pub(crate) fn audio_entry(&self, bitrate: Option<Bitrate>) -> Result<SampleEntry, String> {
        match &self.0 {
            Kind::Aac(configuration, _) => configuration
                .as_ref()
                .ok_or("no whole ADTS header was found")?
                .entry(bitrate),
            Kind::Dolby(unit) => dolby::entry(unit, bitrate),
            Kind::Flac(stream_info) => flac::entry(stream_info, bitrate),
            Kind::Opus(configuration) => configuration.entry(bitrate),
            _ => Err("it is no audio stream".to_owned()),
        }
    }
}

impl StreamParameters {
    /// Reads what ffmpeg-next has no accessors for.
    #[expect(unsafe_code)]
    pub(crate) fn read(parameters: &Parameters) -> Self {
        // SAFETY: `Parameters` keeps the structure it points to alive and unchanged while it is borrowed, and FFmpeg
        // keeps `extradata_size` readable bytes at `extradata`, or none where that is null.
        let (raw, extradata) = unsafe {
            let raw = &*parameters.as_ptr();
            let size = usize::try_from(raw.extradata_size).unwrap_or(0);
            let extradata = match raw.extradata.is_null() {
                true => Vec::new(),
                false => std::slice::from_raw_parts(raw.extradata, size).to_vec(),
            };
            (raw, extradata)
        };
        let aspect = raw.sample_aspect_ratio;
        Self {
            extradata,
            width: u32::try_from(raw.width).unwrap_or(0),
            height: u32::try_from(raw.height).unwrap_or(0),
            pixel_aspect: (aspect.num, aspect.den),
            colour: Colour::of_tags(
                raw.color_primaries.into(),
                raw.color_trc.into(),
                raw.color_space.into(),
                raw.color_range.into(),
            ),
            channels: u8::try_from(raw.ch_layout.nb_channels).unwrap_or(0),
            rate: u32::try_from(raw.sample_rate).unwrap_or(0),
        }
    }
}

/// Bytes of a length, as the configuration's byte `at` says in its lowest bits.
fn length_bytes(configuration: &[u8], at: usize) -> usize {
    configuration.get(at).map_or(4, |byte| usize::from(byte & 3) + 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;
    use std::process::Command;

    use ffmpeg_next::{Packet, format};

    use super::super::entry::children;
    use super::*;

    const PICTURES: &str = "-f lavfi -i testsrc2=s=128x72:r=25 -t 0.4";
    const SOUND: &str = "-f lavfi -i aevalsrc=0.1|0.2|0.1|0.1|0.2|0.1:c=5.1:s=48000 -t 0.4";

    fn ffmpeg(arguments: &str, path: &Path) {
        let status = Command::new("ffmpeg")
            .args(["-v", "error", "-y"])
            .args(arguments.split_whitespace())
            .arg(path)
            .status();
        assert!(status.unwrap().success(), "{arguments}");
    }

    /// Our entry for the one stream of a file, and its samples.
    fn entry(path: &Path) -> (SampleEntry, Vec<AccessUnit>) {
        crate::init_ffmpeg();
        let mut input = format::input(path).unwrap();
        let parameters = input.stream(0).unwrap().parameters();
        let read = StreamParameters::read(&parameters);
        let mut bitstream = Bitstream::of_file(&parameters).unwrap();
        let (mut units, mut out) = (Vec::new(), Vec::new());
        let mut packet = Packet::empty();
        while packet.read(&mut input).is_ok() {
            units.push(bitstream.append(packet.data().unwrap(), &mut out));
        }
        assert_eq!(units.iter().map(|unit| unit.size).sum::<usize>(), out.len());
        let picture = Picture {
            width: read.width as u16,
            height: read.height as u16,
            pixel_aspect: (
                read.pixel_aspect.0.unsigned_abs(),
                read.pixel_aspect.1.unsigned_abs(),
            ),
            colour: read.colour,
            bitrate: None,
        };
        if parameters.id() == Id::OPUS {
            assert_eq!((read.rate, read.channels), (48_000, 6));
        }
        let entry = match read.width {
            0 => bitstream.audio_entry(None),
            _ => bitstream.video_entry(&picture, 25.0),
        };
        (entry.unwrap(), units)
    }

    /// The children of the sample entry that FFmpeg's own muxer writes.
    fn theirs(path: &Path, kind: &[u8; 4]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mp4 = path.with_extension("theirs.mp4");
        ffmpeg(&format!("-i {} -c copy -strict -2", path.display()), &mp4);
        let bytes = std::fs::read(mp4).unwrap();
        let stsd = bytes.windows(4).position(|window| window == b"stsd").unwrap();
        let at = stsd + 12;
        let size = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        assert_eq!(&bytes[at + 4..at + 8], kind);
        let entry = SampleEntry::read(bytes[at..at + size].to_vec()).unwrap();
        let owned = entry
            .children()
            .map(|(kind, payload)| (kind.to_vec(), payload.to_vec()));
        owned.collect()
    }

    #[test]
    fn files_of_every_codec_get_the_entry_that_ffmpeg_writes() {
        let folder = tempfile::tempdir().unwrap();
        let h264 = "-c:v libx264 -preset veryfast -pix_fmt yuv420p";
        let x265 = "-c:v libx265 -preset ultrafast -x265-params log-level=none -pix_fmt yuv420p10le";
        for (source, codec, name, kind, configuration, codecs) in [
            (PICTURES, h264, "a.mp4", b"avc1", b"avcC", "avc1.64000a"),
            (PICTURES, h264, "a.ts", b"avc1", b"avcC", "avc1.64000a"),
            (PICTURES, x265, "b.mkv", b"hev1", b"hvcC", "hvc1.2.4.L30.90"),
            (PICTURES, x265, "b.ts", b"hev1", b"hvcC", "hvc1.2.4.L30.90"),
            (
                PICTURES,
                "-c:v libaom-av1 -usage realtime -cpu-used 8 -b:v 100k -pix_fmt yuv420p10le",
                "c.mkv",
                b"av01",
                b"av1C",
                "av01.0.00M.10",
            ),
            (
                PICTURES,
                "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 100k -pix_fmt yuv420p",
                "d.webm",
                b"vp09",
                b"vpcC",
                "vp09.00.10.08",
            ),
            (SOUND, "-c:a aac", "e.m4a", b"mp4a", b"esds", "mp4a.40.2"),
            (SOUND, "-c:a aac", "e.aac", b"mp4a", b"esds", "mp4a.40.2"),
            (SOUND, "-c:a libopus", "f.ogg", b"Opus", b"dOps", "opus"),
            (SOUND, "-c:a ac3", "g.ac3", b"ac-3", b"dac3", "ac-3"),
            (SOUND, "-c:a eac3", "h.eac3", b"ec-3", b"dec3", "ec-3"),
            (SOUND, "-c:a flac", "i.flac", b"fLaC", b"dfLa", "flac"),
        ] {
            let path = folder.path().join(name);
            ffmpeg(&format!("{source} {codec}"), &path);
            let (entry, units) = entry(&path);
            assert_eq!(entry.codecs, codecs, "{name}");
            assert!(&entry.kind() == kind || kind == b"hev1", "{name}");
            assert!(units[0].is_idr && units[0].is_reference, "{name}");
            if source == PICTURES {
                assert_eq!(units.iter().filter(|unit| unit.is_idr).count(), 1, "{name}");
                assert_eq!(units.len(), 10, "{name}");
            }
            let ours = entry
                .children()
                .find(|(kind, _)| kind == configuration)
                .unwrap()
                .1
                .to_vec();
            let theirs = theirs(&path, kind)
                .into_iter()
                .find(|(kind, _)| kind == configuration)
                .unwrap()
                .1;
            match configuration {
                // Each has its own bitrates, and FFmpeg leaves x265's message in.
                b"esds" => assert_eq!(aac::codec_string(&ours), aac::codec_string(&theirs)),
                b"hvcC" => assert_eq!(
                    (&ours[1..13], &ours[16..19]),
                    (&theirs[1..13], &theirs[16..19]),
                    "{name}"
                ),
                b"vpcC" => assert_eq!((ours[4], ours[5]), (theirs[4], theirs[5]), "{name}"),
                _ => assert_eq!(ours, theirs, "{name}"),
            }
        }
    }

    #[test]
    fn what_is_not_packaged_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp3");
        ffmpeg(&format!("{SOUND} -ac 2 -c:a libmp3lame"), &path);
        crate::init_ffmpeg();
        let input = format::input(&path).unwrap();
        let error = Bitstream::of_file(&input.stream(0).unwrap().parameters()).unwrap_err();
        assert!(error.contains("AAC or Opus"), "{error}");
        assert_eq!(children(&[0, 0, 0, 4, 1]).count(), 0);
    }
}
