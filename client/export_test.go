package client

// PipeNet is pipeNet for the tests outside of the package.
var PipeNet = pipeNet
