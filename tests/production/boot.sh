#!/bin/bash
# boot.sh ROOT NAME: run systemd as process 1 on the Debian tree ROOT, until it powers off. The network
# is this machine's; processes, mounts, the host name and control groups are the tree's own.
set -eu
for controller in /sys/fs/cgroup/{systemd,pids,devices,unified}; do
    if [ -d "$controller" ]; then
        mkdir -p "$controller/$2"
        echo $$ >"$controller/$2/cgroup.procs"
    fi
done
exec unshare --pid --fork --kill-child --mount --propagation private --uts --ipc --cgroup \
    bash -euc '
cd "$1"
mount -t proc proc proc
# The machine must not change the kernel settings of this machine.
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 tmpfs dev
for name in null zero full random urandom tty; do
    touch dev/$name
    mount --bind /dev/$name dev/$name
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,gid=5 devpts dev/pts
mount -t tmpfs tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
mkdir sys/fs/cgroup/systemd
mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
# After a mere chroot, the kernel would refuse PrivateUsers=.
pivot_root . mnt
umount -l /mnt
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --show-status=no
' - "$1"
