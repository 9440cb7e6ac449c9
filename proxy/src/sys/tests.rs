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
