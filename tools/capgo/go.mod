module github.com/sealift/sealift/tools/capgo

go 1.26.8

require github.com/sealift/sealift v0.0.0

require github.com/andybalholm/brotli v1.2.8 // indirect

replace github.com/sealift/sealift => ../..
