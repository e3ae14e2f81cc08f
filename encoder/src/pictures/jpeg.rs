//! JPEG files, by FFmpeg's encoder.

use ffmpeg_next::codec::{Id, context, encoder};
use ffmpeg_next::{Error, Packet, Rational, color, format, frame};

use crate::error::EncodeError;

/// A whole JPEG file of a yuvj420p picture. `quantizer` is FFmpeg's scale: 2 is the finest, 31 the coarsest; 3 looks like
/// what other encoders call 85 to 90.
pub(super) fn encode(picture: &frame::Video, quantizer: i32) -> Result<Vec<u8>, EncodeError> {
    try_encode(picture, quantizer).map_err(|source| EncodeError::Encoder {
        rendition: "thumbnails".to_owned(),
        codec: "mjpeg",
        source,
    })
}

fn try_encode(picture: &frame::Video, quantizer: i32) -> Result<Vec<u8>, Error> {
    let codec = encoder::find(Id::MJPEG).ok_or(Error::EncoderNotFound)?;
    let mut video = context::Context::new_with_codec(codec).encoder().video()?;
    video.set_width(picture.width());
    video.set_height(picture.height());
    video.set_format(format::Pixel::YUVJ420P);
    video.set_color_range(color::Range::JPEG);
    video.set_time_base(Rational::new(1, 25));
    // The encoder writes the JFIF header only when it knows the pixels' shape.
    video.set_aspect_ratio(Rational::new(1, 1));
    video.set_qmin(quantizer);
    video.set_qmax(quantizer);
    let mut encoder = video.open_as(codec)?;
    let mut picture = picture.clone();
    picture.set_pts(Some(0));
    encoder.send_frame(&picture)?;
    encoder.send_eof()?;
    let mut packet = Packet::empty();
    encoder.receive_packet(&mut packet)?;
    Ok(packet.data().unwrap_or_default().to_vec())
}
