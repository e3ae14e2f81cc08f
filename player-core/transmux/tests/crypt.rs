//! Encrypted segments, encrypted here by another implementation of the pattern.
#![allow(clippy::unwrap_used)]

mod support;

use aes::Aes128;
use aes::cipher::{Block, BlockModeEncrypt, KeyIvInit};
use player_core::output::{Container, Encryption};
use support::ts::*;
use transmux::{Key, Settings, TransmuxError, Transmuxer, decrypt};

const KEY: [u8; 16] = *b"sixteen bytes ok";
const IV: [u8; 16] = [7; 16];

/// Encrypts the blocks that begin at these offsets, as one chain.
fn encrypt(bytes: &mut [u8], offsets: impl Iterator<Item = usize>) {
    let mut cipher = cbc::Encryptor::<Aes128>::new(&KEY.into(), &IV.into());
    for at in offsets {
        let mut block = Block::<Aes128>::try_from(&bytes[at..at + 16]).unwrap();
        cipher.encrypt_block(&mut block);
        bytes[at..at + 16].copy_from_slice(&block);
    }
}

fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    let padding = 16 - bytes.len() % 16;
    bytes.extend(vec![padding as u8; padding]);
    let length = bytes.len();
    encrypt(&mut bytes, (0..length).step_by(16));
    bytes
}

fn settings(container: Container, method: Encryption) -> Settings<'static> {
    let decrypt = Some(Key {
        method,
        key: KEY,
        iv: IV,
    });
    Settings {
        container,
        decrypt,
        ..Settings::default()
    }
}

/// A NAL unit without its emulation prevention bytes, and with them.
fn bare(nal: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    for byte in nal {
        let escape = *byte == 3 && out.ends_with(&[0, 0]);
        out.push(if escape { 0xee } else { *byte });
        if escape {
            out.pop();
        }
    }
    out
}

fn escaped(nal: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    for byte in nal {
        if *byte <= 3 && out.ends_with(&[0, 0]) {
            out.push(3);
        }
        out.push(*byte);
    }
    out
}

/// An access unit whose slice has zeros in it, in the clear and encrypted.
fn unit(n: u8, size: usize) -> (Vec<u8>, Vec<u8>) {
    let mut nal = bare(&slice(n == 0, if n == 0 { 7 } else { 5 }, n, size));
    for at in (40..nal.len().saturating_sub(8)).step_by(23) {
        nal[at..at + 4].copy_from_slice(&[0, 0, n % 4, 1]);
    }
    let clear = escaped(&nal);
    if nal.len() > 48 {
        let offsets: Vec<_> = (32..)
            .step_by(160)
            .take_while(|at| nal.len() - at.min(&nal.len()) > 16)
            .collect();
        encrypt(&mut nal, offsets.into_iter());
    }
    let with = |slice: &[u8]| {
        if n == 0 {
            annex_b(&[&AUD, &SPS, &PPS, slice])
        } else {
            annex_b(&[&AUD, slice])
        }
    };
    (with(&clear), with(&escaped(&nal)))
}

fn encrypted_frame(mut frame: Vec<u8>, clear: usize) -> Vec<u8> {
    let end = clear + (frame.len() - clear.min(frame.len())) / 16 * 16;
    encrypt(&mut frame, (clear..end).step_by(16));
    frame
}

#[test]
fn whole_segments_are_decrypted_first() {
    let mut muxer = Muxer::default();
    muxer.program(&[(VIDEO, 0x1b, &[])]);
    muxer.video(0, 0, &keyframe(1));
    let clear = muxer.take();
    let encrypted = padded(clear.clone());
    assert_eq!(decrypt(encrypted.clone(), &KEY, &IV), Ok(clear.clone()));
    let settings = settings(Container::MpegTs, Encryption::Aes128);
    let ready = Transmuxer::new().prepare(encrypted.clone(), &settings).unwrap();
    assert_eq!(
        ready,
        Transmuxer::new().prepare(clear, &Settings::default()).unwrap()
    );
    let other = Settings {
        decrypt: Some(Key {
            method: Encryption::Aes128,
            key: [1; 16],
            iv: IV,
        }),
        ..settings
    };
    assert_eq!(
        Transmuxer::new().prepare(encrypted.clone(), &other),
        Err(TransmuxError::Key)
    );
    let cut = encrypted[..encrypted.len() - 1].to_vec();
    assert!(matches!(
        Transmuxer::new().prepare(cut, &settings),
        Err(TransmuxError::Length(_))
    ));
}

#[test]
fn fmp4_is_decrypted_and_looked_into() {
    let mut muxer = Muxer::default();
    muxer.program(&[(VIDEO, 0x1b, &[])]);
    muxer.video(90_000, 90_000, &keyframe(1));
    let clear = Transmuxer::new()
        .prepare(muxer.take(), &Settings::default())
        .unwrap()
        .into_bytes();
    let settings = settings(Container::Fmp4, Encryption::Aes128);
    let ready = Transmuxer::new()
        .prepare(padded(clear.clone()), &settings)
        .unwrap();
    assert!(ready.bytes() == clear);
    let media = ready.prepared.media.unwrap();
    assert_eq!(
        (media.starts[0].decode_time, media.tracks[0].codec.as_str()),
        (90_000, "avc1.4d400d")
    );
    let samples = self::settings(Container::Fmp4, Encryption::SampleAes);
    assert!(matches!(
        Transmuxer::new().prepare(clear, &samples),
        Err(TransmuxError::Unsupported(_))
    ));
}

#[test]
fn samples_of_pictures_and_aac_are_decrypted() {
    let mut streams = [Muxer::default(), Muxer::default()];
    streams[0].program(&[(VIDEO, 0x1b, &[]), (AUDIO, 0x0f, &[])]);
    streams[1].program(&[(VIDEO, 0xdb, &[]), (AUDIO, 0xcf, &[])]);
    for (n, size) in [
        3000, 20, 44, 45, 46, 47, 61, 62, 63, 64, 65, 200, 205, 206, 207, 208, 209, 1000,
    ]
    .into_iter()
    .enumerate()
    {
        let (clear, encrypted) = unit(n as u8, size);
        let sound = adts(n as u8 | 0x20, size % 300 + 1);
        let time = n as u64 * 3600;
        for (muxer, data, sound) in [
            (0, clear, sound.clone()),
            (1, encrypted, encrypted_frame(sound, 7 + 16)),
        ] {
            streams[muxer].video(time, time, &data);
            streams[muxer].audio(n as u64 * 1920, &sound);
        }
    }
    let [clear, encrypted] = streams.map(|muxer| muxer.bytes);
    let ready = Transmuxer::new()
        .prepare(
            encrypted.clone(),
            &settings(Container::MpegTs, Encryption::SampleAes),
        )
        .unwrap();
    let plain = Transmuxer::new().prepare(clear, &Settings::default()).unwrap();
    assert_eq!(ready.prepared, plain.prepared);
    assert!(ready.bytes() == plain.bytes());
    assert_eq!(
        Transmuxer::new().prepare(encrypted, &Settings::default()),
        Err(TransmuxError::KeyMissing)
    );
}

#[test]
fn samples_of_ac3_and_packed_audio_are_decrypted() {
    let ac3 = [&[0x0b, 0x77, 1, 2, 0x08, 0x40, 0x40][..], &[5; 249]].concat();
    let mut muxer = Muxer::default();
    muxer.program(&[(AUDIO, 0xc1, &[])]);
    muxer.audio(0, &encrypted_frame(ac3.clone(), 16));
    let ready = Transmuxer::new()
        .prepare(muxer.take(), &settings(Container::MpegTs, Encryption::SampleAes))
        .unwrap();
    assert!(ready.bytes().ends_with(&ac3));
    let frames: Vec<_> = (0..5).map(|n| adts(n, 100)).collect();
    let packed: Vec<u8> = frames
        .iter()
        .flat_map(|frame| encrypted_frame(frame.clone(), 23))
        .collect();
    let ready = Transmuxer::new()
        .prepare(packed, &settings(Container::PackedAudio, Encryption::SampleAes))
        .unwrap();
    let samples: Vec<u8> = frames.iter().flat_map(|frame| frame[7..].to_vec()).collect();
    assert!(ready.bytes().ends_with(&samples));
}

#[test]
fn keys_are_not_printed() {
    let text = format!("{:?}", settings(Container::MpegTs, Encryption::SampleAes));
    assert!(
        text.contains("SampleAes") && !text.contains("115") && !text.contains("sixteen"),
        "{text}"
    );
}
