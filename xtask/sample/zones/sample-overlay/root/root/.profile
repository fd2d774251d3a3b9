# For root in every zone.
export PATH=/usr/bin:/usr/sbin:/sbin
export PS1="$(zonename)# "
