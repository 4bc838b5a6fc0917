use super::*;
use crate::testing::{dom, lines_below, read_back, record_with};

fn card() -> Vsnd {
    let params = SoundParams { rates: vec![44_100, 48_000], ..SoundParams::default() };
    let own = SoundParams {
        formats: vec![SampleFormat::S16Le, SampleFormat::F32Le],
        channels_min: 1,
        channels_max: 2,
        buffer_size: 4096,
        ..SoundParams::default()
    };
    let microphone = Stream::capture("microphone").unwrap().params(own).unwrap();
    let pcm = Pcm::new().name("main").unwrap();
    let pcm = pcm.stream(Stream::playback("speaker").unwrap()).unwrap().stream(microphone).unwrap();
    let card = Vsnd::new(0).short_name("short").unwrap().long_name("long").unwrap();
    card.params(params).unwrap().pcm(pcm).unwrap()
}

#[test]
fn the_frontend_finds_card_devices_and_streams() {
    assert_eq!(
        lines_below(&card(), "/local/domain/7/device/vsnd/0")[4..],
        [
            r#"/long-name = "long""#,
            r#"/short-name = "short""#,
            r#"/sample-rates = "44100,48000""#,
            r#"/0 = """#,
            r#"/0/name = "main""#,
            r#"/0/0/unique-id = "speaker""#,
            r#"/0/0/type = "p""#,
            r#"/0/1/unique-id = "microphone""#,
            r#"/0/1/type = "c""#,
            r#"/0/1/sample-formats = "s16_le,float_le""#,
            r#"/0/1/channels-min = "1""#,
            r#"/0/1/channels-max = "2""#,
            r#"/0/1/buffer-size = "4096""#,
        ]
    );
}

#[test]
fn what_is_written_is_read() {
    let card = card().pcm(Pcm::new()).unwrap().served_by(dom(3));
    assert_eq!(read_back(&card).unwrap(), card);
}

#[test]
fn properties_do_not_contradict_themselves() {
    let channels = SoundParams { channels_min: 3, channels_max: 2, ..SoundParams::default() };
    assert!(Vsnd::new(0).params(channels).is_err());
    let silent = SoundParams { rates: vec![0], ..SoundParams::default() };
    assert!(Vsnd::new(0).params(silent).is_err());
    let refused = |key, value| Vsnd::from_record(&record_with(&card(), key, value)).is_err();
    assert!(refused("frontend/0/0/type", "x"));
    assert!(refused("frontend/0/1/sample-formats", "s16_le,f32_le"));
    assert!(refused("frontend/sample-rates", ""));
}
