//! What a rung's settings are for each encoder: closed groups of pictures, IDR frames where the plan says and nowhere
//! else, a bounded bitrate, and the source's colours.

use std::ffi::CString;

use ffmpeg_next::codec::encoder;
use ffmpeg_next::{Codec, ffi};

use crate::cmaf::colour::{Colour, Mastering};
use crate::ladder::{Rung, VideoCodec};
use crate::timing::IdrPlan;

/// Where IDR frames are, in frames of the rendition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keyframes {
    /// The longest distance.
    pub(crate) max_gop: u64,
    /// All but the last are as far apart as that.
    pub(crate) is_regular: bool,
}

impl Keyframes {
    /// Of a rendition that has every `divisor`-th frame of the plan's.
    pub(crate) fn of_plan(plan: &IdrPlan, divisor: u32) -> Self {
        Self {
            max_gop: plan.max_gop() / u64::from(divisor.max(1)),
            is_regular: plan.is_regular(),
        }
    }

    /// What an encoder hears: where the plan is irregular it must find none by counting.
    fn interval(self) -> u64 {
        match self.is_regular {
            true => self.max_gop,
            false => NEVER,
        }
    }
}

/// The name of FFmpeg's encoder.
pub(crate) fn encoder_name(codec: VideoCodec) -> &'static str {
    match codec {
        VideoCodec::Av1 => "libsvtav1",
        VideoCodec::H264 => "libx264",
        VideoCodec::H265 => "libx265",
        VideoCodec::Vp9 => "libvpx-vp9",
    }
}

/// Says what makes a fitted rung one that cannot be encoded here.
pub(crate) fn check(rung: &Rung, preset: &str) -> Result<(), String> {
    let name = encoder_name(rung.codec);
    let codec = encoder::find_by_name(name)
        .ok_or_else(|| format!("FFmpeg here has no {name}; install one that has, or choose another codec"))?;
    if speed(rung.codec, preset).is_none() {
        return Err(format!(
            "{} has no preset {preset:?}; use one of {}{}",
            rung.codec.name(),
            PRESETS.join(", "),
            match rung.codec {
                VideoCodec::Av1 => ", or 0 to 13",
                VideoCodec::Vp9 => ", or 0 to 8",
                VideoCodec::H264 | VideoCodec::H265 => "",
            }
        ));
    }
    if rung.codec == VideoCodec::Av1 && (rung.width < 64 || rung.height < 64) {
        return Err("SVT-AV1 encodes nothing smaller than 64×64; choose another codec".to_owned());
    }
    match rung.options.keys().find(|option| !has_option(codec, option)) {
        Some(option) => Err(format!(
            "{name} has no option {option:?}; see `ffmpeg -h encoder={name}`"
        )),
        None => Ok(()),
    }
}

/// The options for a rung's encoder, also what a comparison with the `ffmpeg` command must use.
pub(crate) fn options(
    rung: &Rung,
    preset: &str,
    keyframes: Keyframes,
    colour: &Colour,
) -> Vec<(String, String)> {
    let mut options = Options::default();
    options.set("g", keyframes.interval());
    match rung.codec {
        VideoCodec::H264 => options.x264(preset, keyframes),
        VideoCodec::H265 => options.x265(preset, keyframes, colour),
        VideoCodec::Av1 => options.svt_av1(rung, preset, keyframes, colour),
        VideoCodec::Vp9 => options.vp9(preset, keyframes),
    }
    match rung.codec {
        VideoCodec::Av1 if rung.crf.is_none() && !keyframes.is_regular => options.av1_near_bitrate(rung),
        _ => options.rate_control(rung),
    }
    match (&rung.profile, rung.codec) {
        (Some(profile), _) => options.set("profile", profile),
        (None, VideoCodec::H264) => options.set("profile", "high"),
        (None, _) => {}
    }
    if let Some(tune) = &rung.tune {
        match rung.codec {
            VideoCodec::Av1 => options.add("svtav1-params", "tune", tune),
            _ => options.set("tune", tune),
        }
    }
    for (name, value) in &rung.options {
        match name.ends_with("-params") {
            true => options.append(name, value),
            false => options.set(name, value),
        }
    }
    options.0
}

#[derive(Default)]
struct Options(Vec<(String, String)>);

impl Options {
    fn x264(&mut self, preset: &str, keyframes: Keyframes) {
        self.set("preset", preset);
        self.set("keyint_min", keyframes.interval());
        self.set("sc_threshold", 0);
        self.set("forced-idr", 1);
        // Playlists say CLOSED-CAPTIONS=NONE, so none are carried inside the pictures.
        self.set("a53cc", 0);
    }

    fn x265(&mut self, preset: &str, keyframes: Keyframes, colour: &Colour) {
        self.set("preset", preset);
        self.set("keyint_min", keyframes.interval());
        self.set("forced-idr", 1);
        self.add("x265-params", "scenecut", 0);
        self.add("x265-params", "open-gop", 0);
        // They are taken out of the IDR frames; so that the messages about HDR are in each of these, too.
        self.add("x265-params", "repeat-headers", 1);
        self.add("x265-params", "info", 0);
        self.add("x265-params", "log-level", "none");
        if let Some(display) = &colour.mastering {
            self.add("x265-params", "master-display", x265_display(display));
        }
        if let Some(light) = &colour.content_light {
            let light = format!("{},{}", light.max, light.max_average);
            self.add("x265-params", "max-cll", light);
        }
    }

    fn svt_av1(&mut self, rung: &Rung, preset: &str, keyframes: Keyframes, colour: &Colour) {
        self.set("preset", speed(VideoCodec::Av1, preset).unwrap_or_default());
        // Only with a CRF does it take key frames where it is told to.
        if rung.crf.is_some() || !keyframes.is_regular {
            self.add("svtav1-params", "enable-force-key-frames", 1);
        }
        if let Some(display) = &colour.mastering {
            self.add("svtav1-params", "mastering-display", svt_display(display));
        }
        if let Some(light) = &colour.content_light {
            let light = format!("{},{}", light.max, light.max_average);
            self.add("svtav1-params", "content-light", light);
        }
    }

    fn vp9(&mut self, preset: &str, keyframes: Keyframes) {
        // As far apart as the longest and no nearer: then none comes by itself.
        self.set("keyint_min", keyframes.interval());
        let speed = speed(VideoCodec::Vp9, preset).unwrap_or_default();
        let is_realtime = speed > 5;
        self.set("deadline", if is_realtime { "realtime" } else { "good" });
        self.set("cpu-used", speed);
        self.set("row-mt", 1);
        if !is_realtime {
            self.set("auto-alt-ref", 1);
            self.set("lag-in-frames", 25);
        }
    }

    /// A bitrate with key frames where they are wanted: SVT-AV1 has both only as a CRF of which little is left below
    /// its cap. It goes above a cap by about as much as this one is lower. (Beginning anew at each key frame costs twice
    /// the bits, since every beginning is a guess.)
    fn av1_near_bitrate(&mut self, rung: &Rung) {
        self.set("crf", FINE_CRF);
        self.set("maxrate", u64::from(rung.bitrate_kbps) * 900);
        self.set("bufsize", u64::from(rung.bitrate_kbps) * 1500);
    }

    fn rate_control(&mut self, rung: &Rung) {
        let bps = |kbps: f64| ((kbps * 1000.0) as u64).to_string();
        let target_kbps = f64::from(rung.bitrate_kbps);
        let peak_kbps = match (rung.crf, rung.codec) {
            (Some(_), _) => target_kbps,
            // SVT-AV1 wants its peak above the target.
            (None, VideoCodec::Av1) if rung.cbr => target_kbps + 1.0,
            (None, _) if rung.cbr => target_kbps,
            (None, _) => target_kbps * MAX_RATE,
        };
        match (rung.crf, rung.codec) {
            // Its constrained quality: the bitrate is the cap.
            (Some(crf), VideoCodec::Vp9) => {
                self.set("crf", crf.round());
                self.set("b", bps(target_kbps));
            }
            (Some(crf), VideoCodec::Av1) => self.set("crf", crf.round()),
            (Some(crf), VideoCodec::H264 | VideoCodec::H265) => self.set("crf", crf),
            (None, _) => self.set("b", bps(target_kbps)),
        }
        // libvpx takes a peak that equals the target for its constant bitrate only where the minimum does, too.
        if rung.cbr && rung.codec == VideoCodec::Vp9 {
            self.set("minrate", bps(target_kbps));
        }
        self.set("maxrate", bps(peak_kbps));
        self.set("bufsize", buffer_bits(rung));
    }

    fn set(&mut self, name: &str, value: impl ToString) {
        self.0.retain(|(other, _)| other != name);
        self.0.push((name.to_owned(), value.to_string()));
    }

    /// Adds `key=value` to a list of the encoder's own parameters.
    fn add(&mut self, list: &str, key: &str, value: impl ToString) {
        self.append(list, &format!("{key}={}", value.to_string()));
    }

    fn append(&mut self, list: &str, parameters: &str) {
        match self.0.iter_mut().find(|(name, _)| name == list) {
            Some((_, value)) => {
                value.push(':');
                value.push_str(parameters);
            }
            None => self.set(list, parameters),
        }
    }
}

/// The rate control's buffer, which is also what a decoder needs at least.
pub(super) fn buffer_bits(rung: &Rung) -> u64 {
    let seconds = if rung.cbr { CBR_BUFFER_S } else { BUFFER_S };
    (f64::from(rung.bitrate_kbps) * seconds * 1000.0) as u64
}

/// What a preset is in the encoder's own count, and 0 where it goes by names; `None` for one that it has not.
fn speed(codec: VideoCodec, preset: &str) -> Option<u8> {
    let own = |most: u8| preset.parse().ok().filter(|speed| *speed <= most);
    let place = PRESETS.iter().position(|name| *name == preset);
    let of = |speeds: [u8; 10]| place.and_then(|place| speeds.get(place).copied());
    match codec {
        VideoCodec::H264 | VideoCodec::H265 => place.map(|_| 0),
        VideoCodec::Av1 => of([12, 11, 10, 9, 8, 6, 5, 4, 3, 1]).or_else(|| own(13)),
        VideoCodec::Vp9 => of([8, 7, 5, 4, 3, 2, 1, 1, 0, 0]).or_else(|| own(8)),
    }
}

/// Whether FFmpeg's encoder has an option of this name, of its own or of all encoders.
#[expect(unsafe_code)]
fn has_option(codec: Codec, name: &str) -> bool {
    let Ok(name) = CString::new(name) else {
        return false;
    };
    let find = |class: *const ffi::AVClass| {
        // SAFETY: a class that is not null is one of FFmpeg's own, which live as long as the process; with
        // FAKE_OBJ the pointer to it is never taken for an object. The name ends with a zero.
        !class.is_null()
            && unsafe {
                let object = (&raw const class).cast_mut().cast();
                let flags = ffi::AV_OPT_SEARCH_FAKE_OBJ;
                !ffi::av_opt_find(object, name.as_ptr(), std::ptr::null(), 0, flags).is_null()
            }
    };
    // SAFETY: both functions only give out pointers to FFmpeg's own constants; so does the codec, which is one.
    let (own, all) = unsafe { ((*codec.as_ptr()).priv_class, ffi::avcodec_get_class()) };
    find(own) || find(all)
}

/// x265's form: units of 0.00002 and 0.0001 cd/m², the most light before the least.
fn x265_display(display: &Mastering) -> String {
    let point = |[x, y]: [u16; 2]| format!("({x},{y})");
    format!(
        "G{}B{}R{}WP{}L({},{})",
        point(display.green),
        point(display.blue),
        point(display.red),
        point(display.white),
        display.max_luminance,
        display.min_luminance
    )
}

/// SVT-AV1's form: coordinates and cd/m² as decimals.
fn svt_display(display: &Mastering) -> String {
    let point = |[x, y]: [u16; 2]| format!("({:.5},{:.5})", f64::from(x) / 50_000.0, f64::from(y) / 50_000.0);
    let luminance = |units: u32| f64::from(units) / 10_000.0;
    format!(
        "G{}B{}R{}WP{}L({:.4},{:.4})",
        point(display.green),
        point(display.blue),
        point(display.red),
        point(display.white),
        luminance(display.max_luminance),
        luminance(display.min_luminance)
    )
}

/// The presets that every codec understands, fastest first.
pub(crate) const PRESETS: [&str; 10] = [
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
    "placebo",
];
/// Frames that no source has.
const NEVER: u64 = 100_000_000;
/// The peak that the rate control may reach, as a multiple of the target.
const MAX_RATE: f64 = 1.25;
/// The rate control's buffer, in seconds at the target bitrate.
const BUFFER_S: f64 = 1.5;
const CBR_BUFFER_S: f64 = 1.0;
/// On SVT-AV1's scale, about what cannot be told from the source.
const FINE_CRF: u32 = 20;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::cmaf::colour::tests::HDR10;

    const CODECS: [VideoCodec; 4] = [
        VideoCodec::Av1,
        VideoCodec::H264,
        VideoCodec::H265,
        VideoCodec::Vp9,
    ];
    const REGULAR: Keyframes = Keyframes {
        max_gop: 50,
        is_regular: true,
    };

    fn rung(codec: VideoCodec, crf: Option<f32>) -> Rung {
        Rung {
            codec,
            crf,
            bitrate_kbps: 1000,
            ..Rung::default()
        }
    }

    fn of(rung: &Rung, colour: &Colour, name: &str) -> Option<String> {
        let options = options(rung, "veryfast", REGULAR, colour);
        let found = options.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.clone())
    }

    #[test]
    fn a_bitrate_has_a_peak_and_a_buffer_on_every_codec() {
        for codec in CODECS {
            let of = |name| of(&rung(codec, None), &Colour::BT709, name);
            assert_eq!(
                (of("b").unwrap(), of("maxrate").unwrap()),
                ("1000000".into(), "1250000".into())
            );
            assert_eq!(
                (of("bufsize").unwrap(), of("g").unwrap()),
                ("1500000".into(), "50".into())
            );
            assert_eq!(of("crf"), None);
        }
        let constant = Rung {
            cbr: true,
            ..rung(VideoCodec::H264, None)
        };
        assert_eq!(of(&constant, &Colour::BT709, "maxrate").unwrap(), "1000000");
    }

    #[test]
    fn capped_crf_has_no_target() {
        for codec in CODECS {
            let of = |name| of(&rung(codec, Some(30.0)), &Colour::BT709, name);
            assert_eq!(
                (of("crf").unwrap(), of("maxrate").unwrap()),
                ("30".into(), "1000000".into())
            );
            assert_eq!(of("b").is_some(), codec == VideoCodec::Vp9);
        }
    }

    #[test]
    fn hdr_is_told_to_the_encoders() {
        let params = of(&rung(VideoCodec::H265, None), &HDR10, "x265-params").unwrap();
        let display = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)";
        assert!(
            params.contains(display) && params.contains("max-cll=1000,400"),
            "{params}"
        );
        let params = of(&rung(VideoCodec::Av1, None), &HDR10, "svtav1-params").unwrap();
        assert!(
            params.contains("R(0.68000,0.32000)") && params.contains("L(1000.0000,0.0001)"),
            "{params}"
        );
    }

    #[test]
    fn own_options_come_last() {
        let mut rung = rung(VideoCodec::H265, None);
        rung.options
            .insert("x265-params".to_owned(), "aq-mode=3".to_owned());
        rung.options.insert("g".to_owned(), "60".to_owned());
        assert!(
            of(&rung, &Colour::BT709, "x265-params")
                .unwrap()
                .ends_with(":aq-mode=3")
        );
        assert_eq!(of(&rung, &Colour::BT709, "g").unwrap(), "60");
    }

    #[test]
    fn what_the_encoder_has_not_is_refused() {
        crate::init_ffmpeg();
        for codec in CODECS {
            let mut rung = rung(codec, None);
            assert_eq!(check(&rung, "veryfast"), Ok(()));
            assert!(check(&rung, "warp").unwrap_err().contains("veryfast"));
            rung.options.insert("bufsize".to_owned(), "1M".to_owned());
            assert_eq!(check(&rung, "veryfast"), Ok(()));
            rung.options.insert("warp-speed".to_owned(), "1".to_owned());
            assert!(check(&rung, "veryfast").unwrap_err().contains("warp-speed"));
        }
        assert_eq!(check(&rung(VideoCodec::Av1, None), "13"), Ok(()));
        let small = Rung {
            height: 36,
            ..rung(VideoCodec::Av1, None)
        };
        assert!(check(&small, "fast").unwrap_err().contains("64×64"));
    }

    #[test]
    fn av1_at_a_bitrate_takes_key_frames_by_a_capped_crf() {
        let irregular = Keyframes {
            is_regular: false,
            ..REGULAR
        };
        let of = |crf, keyframes, name: &str| {
            let options = options(&rung(VideoCodec::Av1, crf), "fast", keyframes, &Colour::BT709);
            let found = options.into_iter().find(|(other, _)| other == name);
            found.map(|(_, value)| value)
        };
        assert_eq!(of(None, REGULAR, "svtav1-params"), None);
        assert_eq!(of(None, REGULAR, "b").unwrap(), "1000000");
        assert_eq!(
            of(None, irregular, "svtav1-params").unwrap(),
            "enable-force-key-frames=1"
        );
        assert_eq!(
            (of(None, irregular, "b"), of(None, irregular, "crf").unwrap()),
            (None, "20".into())
        );
        assert_eq!(of(None, irregular, "maxrate").unwrap(), "900000");
        assert_eq!(of(Some(40.0), irregular, "crf").unwrap(), "40");
        assert_eq!(
            of(Some(40.0), REGULAR, "svtav1-params").unwrap(),
            "enable-force-key-frames=1"
        );
    }
}
