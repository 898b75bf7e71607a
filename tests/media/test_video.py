"""Videos: picked by timestamps, upright, and honest about damage and what is missing."""

from fractions import Fraction

import av
import numpy as np
import pytest
from clips import damage, number_of, set_rotation_tag, write_clip

from lumde.errors import DataError, ResourceError
from lumde.media.video import VideoReader, VideoWriter, _likely_rate


def _numbers(reader: VideoReader) -> list[int]:
    return [number_of(frame.image) for frame in reader]


def test_every_frame_arrives_once_with_its_time(tmp_path):
    reader = VideoReader(write_clip(tmp_path / "a.mp4"))
    frames = list(reader)
    assert [number_of(frame.image) for frame in frames] == list(range(12))
    np.testing.assert_allclose([frame.timestamp for frame in frames], np.arange(12) / 10, atol=1e-3)
    assert (reader.decoded, reader.damaged, reader.missing) == (12, 0, 0)
    assert reader.size == (64, 48) and reader.count == 12 and reader.frame_rate == pytest.approx(10, rel=0.1)


@pytest.mark.parametrize(
    ("fps", "expected"), [(5, [0, 2, 4, 6, 8, 10]), (100, list(range(12))), (2.5, [0, 4, 8])]
)
def test_frames_are_chosen_by_time(tmp_path, fps, expected):
    reader = VideoReader(write_clip(tmp_path / "a.mp4"), fps)
    assert _numbers(reader) == expected
    assert reader.decoded == 12


def test_variable_rate_is_thinned_by_time_not_by_count(tmp_path):
    times = [0, 20, 40, 60, 100, 500, 520, 540, 1000]
    reader = VideoReader(write_clip(tmp_path / "a.mkv", 9, times_ms=times), 10)
    assert [round(frame.timestamp * 1000) for frame in reader] == [0, 100, 500, 1000]


@pytest.mark.parametrize(("turns", "corner"), [(0, (0, 0)), (1, (0, -1)), (2, (-1, -1)), (3, (-1, 0))])
def test_rotation_tag_turns_the_picture_clockwise(tmp_path, turns, corner):
    path = write_clip(tmp_path / "a.mp4", 2)
    set_rotation_tag(path, turns)
    reader = VideoReader(path)
    image = next(iter(reader)).image
    assert image[corner].min() > 200 and reader.rotation == (-90 * turns) % 360
    assert reader.size == (image.shape[1], image.shape[0]) == ((48, 64) if turns % 2 else (64, 48))


@pytest.mark.parametrize("size", [(65, 49), (64, 49)])
def test_odd_sizes(tmp_path, size):
    with VideoWriter(tmp_path / "padded.mp4", 10) as writer:
        writer.add(np.full((size[1], size[0], 3), 200, np.uint8))
    assert VideoReader(tmp_path / "padded.mp4").size == (size[0] + size[0] % 2, size[1] + 1)
    if size[0] % 2:
        assert VideoReader(write_clip(tmp_path / "odd.mkv", 2, size)).size == size


def test_damage_spreads_to_the_next_key_frame_and_is_counted(tmp_path):
    path = write_clip(tmp_path / "a.mp4", 24, gop=8, noise=25)
    clean = [frame.image for frame in VideoReader(path)]
    damage(path, 10)
    reader = VideoReader(path)
    frames = {round(frame.timestamp * 10): frame for frame in reader}
    trusted = [number for number, frame in frames.items() if not frame.damaged]
    assert trusted == [*range(10), *range(16, 24)]  # 8 and 16 are key frames
    for number in trusted:
        np.testing.assert_array_equal(frames[number].image, clean[number])
    assert (frames[12].image != clean[12]).any()  # what the decoder does not flag by itself
    assert (reader.decoded, reader.damaged, reader.missing) == (18, 6, 0)


def test_faststart_file_cut_in_the_middle_counts_what_is_missing(tmp_path):
    path = write_clip(tmp_path / "a.mp4", 24, noise=25, faststart=True)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.6)])
    reader = VideoReader(path)
    good = sum(not frame.damaged for frame in reader)
    assert 8 <= good < 20 and reader.missing > 4
    assert reader.decoded + reader.damaged + reader.missing == 24


def test_cut_mkv_counts_by_its_stated_duration(tmp_path):
    path = write_clip(tmp_path / "a.mkv", 24, noise=25)
    whole = VideoReader(path)
    assert (len(list(whole)), whole.missing) == (24, 0)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.6)])
    reader = VideoReader(path)
    found = len(list(reader))
    assert 8 <= found < 20 and abs(found + reader.missing - 24) <= 1


def test_unknown_count_is_none(tmp_path):
    path = tmp_path / "a.h264"
    with (
        av.open(str(write_clip(tmp_path / "a.mp4"))) as source,
        av.open(str(path), "w", format="h264") as raw,
    ):
        stream = raw.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.size:
                packet.stream = stream
                raw.mux(packet)
    reader = VideoReader(path)
    assert len(list(reader)) == 12 and reader.missing is None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"<!doctype html>", "HTML"),
        (b"ffconcat version 1.0\nfile /etc/hostname\n", "playlist"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n", "playlist"),
        (b"words, words", "no video"),
    ],
)
def test_what_is_no_video_is_named(tmp_path, data, reason):
    path = tmp_path / "a.mp4"
    path.write_bytes(data)
    with pytest.raises(DataError, match=reason):
        VideoReader(path)


def test_mp4_without_its_index_is_named(tmp_path):
    path = write_clip(tmp_path / "a.mp4", noise=25)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.7)])
    with pytest.raises(DataError, match=r"a\.mp4: is cut short"):
        VideoReader(path)


def test_a_real_playlist_of_videos_is_not_followed(tmp_path):
    write_clip(tmp_path / "real.mp4")
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile real.mp4\n")
    with av.open(str(tmp_path / "list.mp4"), format="concat"):  # the list itself is good
        pass
    with pytest.raises(DataError, match="playlist"):
        VideoReader(tmp_path / "list.mp4")


def test_writer_leaves_nothing_after_an_error(tmp_path):
    with pytest.raises(RuntimeError), VideoWriter(tmp_path / "a.mp4", 10) as writer:
        writer.add(np.zeros((48, 64, 3), np.uint8))
        raise RuntimeError
    with pytest.raises(ValueError, match="another size"), VideoWriter(tmp_path / "a.mp4", 10) as writer:
        writer.add(np.zeros((48, 64, 3), np.uint8))
        writer.add(np.zeros((48, 80, 3), np.uint8))
    nowhere = tmp_path / "nowhere" / "a.mp4"
    with pytest.raises(ResourceError, match="cannot be written"), VideoWriter(nowhere, 10) as writer:
        writer.add(np.zeros((48, 64, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_writer_round_trip(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", 12.5) as writer:
        for level in (40, 120, 200):
            writer.add(np.full((48, 64, 3), level, np.uint8))
    reader = VideoReader(tmp_path / "a.mp4")
    assert [round(float(frame.image.mean()) / 40) for frame in reader] == [1, 3, 5]
    assert reader.frame_rate == 12.5


def test_a_clock_that_is_set_back_loses_no_frames(tmp_path):
    """Recordings joined byte by byte, as cameras and `cat` make them of transport streams."""
    part = write_clip(tmp_path / "a.ts", 12).read_bytes()
    (tmp_path / "both.ts").write_bytes(part + part)
    assert len(_numbers(VideoReader(tmp_path / "both.ts"))) == 24
    assert _numbers(VideoReader(tmp_path / "both.ts", 5)) == [0, 2, 4, 6, 8, 10] * 2


def test_a_title_in_another_encoding_is_no_obstacle(tmp_path):
    path = write_clip(tmp_path / "a.avi", 3, metadata={"title": "Cafe"})
    path.write_bytes(path.read_bytes().replace(b"Cafe", b"Caf\xe9"))
    assert len(_numbers(VideoReader(path))) == 3


def test_an_unknown_codec_is_named(tmp_path):
    path = write_clip(tmp_path / "a.avi", 3)
    path.write_bytes(path.read_bytes().replace(b"H264", b"ZZZZ").replace(b"h264", b"ZZZZ"))
    with pytest.raises(DataError, match=r"codec is not known|no frame can be decoded"):
        VideoReader(path)


def test_a_rate_that_the_frames_times_deny_is_not_believed(tmp_path):
    """As in WebM files of browsers, which state their clock's rate."""
    times = [33 * i for i in range(12)]
    assert _likely_rate(1000.0, [t / 1000 for t in times]) == pytest.approx(30.3, abs=0.1)
    assert _likely_rate(29.97, [t / 1000 for t in times]) == 29.97
    assert _likely_rate(1000.0, [0.0, 0.033]) == 1000.0, "too few frames to tell"
    assert _likely_rate(None, [0.0, 0.1, 0.1, 0.2, 0.3, 0.4]) == pytest.approx(10)
    reader = VideoReader(write_clip(tmp_path / "a.mkv", 12, times_ms=times))  # states 10
    assert reader.frame_rate == pytest.approx(30.3, abs=0.1)


@pytest.mark.parametrize(("aspect", "width"), [(Fraction(4, 3), 64), (Fraction(200, 1), 48)])
def test_pixels_that_are_no_squares_are_shown_as_squares(tmp_path, aspect, width):
    """And a shape that no camera has is not believed: it would blow a picture up."""
    with av.open(str(tmp_path / "tape.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 48, 36, "yuv420p"
        stream.codec_context.sample_aspect_ratio = aspect
        for number in range(3):
            picture = np.full((36, 48, 3), 40 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    reader = VideoReader(tmp_path / "tape.mp4")
    assert reader.size == (width, 36)
    assert [frame.image.shape for frame in reader] == [(36, width, 3)] * 3
