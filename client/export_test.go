package client

// PipeNet is pipeNet for the tests outside of the package.
var PipeNet = pipeNet

// QuietUntil is quietUntil for the tests outside of the package.
var QuietUntil = quietUntil
