//! Pipes and socket options.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use super::*;

#[test]
fn bytes_pass_through_a_pipe() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    let pipe = Pipe::new(64 * 1024).unwrap();
    assert!(pipe.capacity >= 4096);
    assert_eq!(splice(&pipe.read, &far, 100).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    near.write_all(b"abc").unwrap();
    // The sockets block and the data is on its way, so this waits for it.
    assert_eq!(rustix::pipe::splice(&far, None, &pipe.write, None, 100, SpliceFlags::empty()).unwrap(), 3);
    assert_eq!(splice(&pipe.read, &far, 100).unwrap(), 3);
    let mut read = [0; 3];
    near.read_exact(&mut read).unwrap();
    assert_eq!(&read, b"abc");
    drop(near);
    assert_eq!(rustix::pipe::splice(&far, None, &pipe.write, None, 100, SpliceFlags::empty()).unwrap(), 0);
}

#[test]
fn socket_options_are_set_as_given() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let on = 1i32.to_ne_bytes();
    set_socket_option(socket.as_fd(), libc::SOL_SOCKET, libc::SO_KEEPALIVE, &on).unwrap();
    assert!(socket2::SockRef::from(&socket).keepalive().unwrap());
    assert!(set_socket_option(socket.as_fd(), libc::SOL_SOCKET, 9999, &on).is_err());
}

#[test]
#[cfg(target_os = "linux")]
fn only_code_of_the_program_itself_is_let_go() {
    let line = "55d0c0a00000-55d0c0b00000 r-xp 00200000 fe:00 1234      /usr/local/bin/outrigger";
    assert_eq!(code_range(line, "/usr/local/bin/outrigger"), Some((0x55d0_c0a0_0000, 0x10_0000)));
    for other in [
        "55d0c0a00000-55d0c0b00000 r--p 00200000 fe:00 1234 /usr/local/bin/outrigger",
        "55d0c0a00000-55d0c0b00000 rwxp 00200000 fe:00 1234 /usr/local/bin/outrigger",
        "7f00c0a00000-7f00c0b00000 r-xp 00200000 fe:00 1234 /lib/libc.so.6",
        "",
    ] {
        assert_eq!(code_range(other, "/usr/local/bin/outrigger"), None);
    }
}

#[test]
fn the_process_goes_on_after_its_code_was_let_go() {
    let before: u64 = (0..1000_u64).map(|number| number.wrapping_mul(number)).sum();
    trim_memory();
    let after: u64 = (0..1000_u64).map(|number| number.wrapping_mul(number)).sum();
    assert_eq!(before, after);
}
