//! Framing, with bytes cut at every place and with bytes that are no frames.

use super::*;

fn answers(chunks: Vec<Bytes>) -> Answers {
    let frames = chunks.into_iter().map(|chunk| Ok::<_, std::convert::Infallible>(http_body::Frame::data(chunk)));
    Answers::over(Body::new(StreamBody::new(futures_util::stream::iter(frames))), 256 << 20)
}

/// The bytes in pieces of random length, empty ones too.
fn cut(bytes: &[u8], random: &mut fastrand::Rng) -> Vec<Bytes> {
    let mut chunks = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(random.usize(0..=rest.len().min(40)));
        chunks.push(Bytes::copy_from_slice(chunk));
        rest = after;
    }
    chunks
}

#[tokio::test]
async fn messages_survive_any_cutting() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let message = |random: &mut fastrand::Rng| -> Bytes {
            let length = random.usize(0..200);
            std::iter::repeat_with(|| random.u8(..)).take(length).collect()
        };
        let messages: Vec<Bytes> = (0..random.usize(0..20)).map(|_| message(&mut random)).collect();
        let wire: Vec<u8> = messages.iter().flat_map(|message| framed(message).into_data().expect("data")).collect();
        let mut answers = answers(cut(&wire, &mut random));
        for message in &messages {
            assert_eq!(answers.next().await.as_ref(), Ok(message), "seed {seed}");
        }
        assert_eq!(answers.next().await, Err(CallEnd("the server closed the stream".into())), "seed {seed}");
    }
}

#[tokio::test]
async fn garbage_ends_the_call_and_takes_no_more_memory_than_came() {
    for seed in 0..500 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut wire: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(300).collect();
        // Often a valid flag, so that wild lengths are reached.
        wire[0] = random.u8(0..2);
        let mut answers = answers(cut(&wire, &mut random));
        while answers.next().await.is_ok() {}
        assert!(answers.buffer.capacity() < 2048, "seed {seed}: {}", answers.buffer.capacity());
    }
}

#[tokio::test]
async fn responses_that_are_garbage_are_errors() {
    for seed in 0..2000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let length = random.usize(0..100);
        let bytes: Bytes = std::iter::repeat_with(|| random.u8(..)).take(length).collect();
        for delta in [true, false] {
            // Either is fine; a panic is not.
            let _ = crate::ads::wire::Response::decode(bytes.clone(), delta);
        }
    }
}
