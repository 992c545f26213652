#!/bin/sh
# boot.sh FOLDER [SOURCE:TARGET ...]
#
# Makes a systemd process 1 of the namespaces it is run in (unshare: mount, pid, net, ipc, uts, cgroup), over a throw-away
# overlay of /. The real system is not changed: what is written goes to FOLDER, a tmpfs, and is there again at the next
# boot; /sys and /proc/sys cannot be written, and every SOURCE is shown at its TARGET to be read only.
set -eu
base=$1
root=$base/root
shift

new_tmpfs() { mount -t tmpfs -o "mode=$1" tmpfs "$2"; }

overlay() {
    mkdir -p "$base/work" "$root"
    mount -t overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" overlay "$root"
}

kernel_file_systems() {
    mount -t proc proc "$root/proc"
    mount --bind -o ro "$root/proc/sys" "$root/proc/sys"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    for folder in run:755 tmp:1777 dev:755; do new_tmpfs "${folder#*:}" "$root/${folder%:*}"; done
}

devices() {
    for name in null zero full random urandom tty; do
        touch "$root/dev/$name"
        mount --bind "/dev/$name" "$root/dev/$name"
    done
    mkdir "$root/dev/pts" "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    new_tmpfs 1777 "$root/dev/shm"
}

show() {
    for pair; do
        mkdir -p "$root${pair##*:}"
        mount --bind -o ro "${pair%:*}" "$root${pair##*:}"
    done
}

# Nothing starts that the real system would start. What was enabled since the first boot does.
no_services() {
    rm -f "$root"/etc/systemd/system/*.wants/*
    ln -sf /dev/null "$root/etc/systemd/system/systemd-udevd.service"
}

enter() {
    cd "$root"
    mkdir .before
    pivot_root . .before
    umount -l .before
    rmdir .before
    mount --make-rshared / # else the folders that LoadCredential= makes are empty
}

ip link set lo up
if [ -d "$base/upper" ]; then is_first=false; else is_first=true; fi
mkdir -p "$base/upper"
overlay
kernel_file_systems
devices
show "$@"
if $is_first; then no_services; fi
enter
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    /lib/systemd/systemd --system --unit=multi-user.target --show-status=no --log-level=err
